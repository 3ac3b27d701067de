"""Exploring a world: with more and more choices, until all orders or the time are over."""

import time
from collections.abc import Callable
from typing import NamedTuple

from tests.explorer.building import run_of
from tests.explorer.choices import Bounds, Order
from tests.explorer.run import Run
from tests.explorer.search import Found, Limits, Search, Violation
from tests.explorer.seen import Seen
from tests.explorer.worlds import WORLDS

_MOST_CHOICES = 12


class Result(NamedTuple):
    """What was tried in a world, level by level; the last level may be incomplete."""

    world: str
    levels: list[Found]

    @property
    def violation(self) -> Violation | None:
        return self.levels[-1].violation

    @property
    def orders(self) -> int:
        return sum(each.orders for each in self.levels)

    def __str__(self) -> str:
        last = self.levels[-1]
        reached = f"all with {last.bounds.choices} choices"
        if last.left_out:
            reached = f"all with {last.bounds.choices - 1} choices, some with one more"
        elif self.is_exhausted:
            reached = "all"
        states, seconds = (
            max(each.states for each in self.levels),
            sum(each.seconds for each in self.levels),
        )
        return (
            f"{self.world:16} {self.orders:7} orders {states:8} states {seconds:6.0f} s  {reached}"
        )

    @property
    def is_exhausted(self) -> bool:
        """Whether more choices have led to no new state."""
        states = [each.states for each in self.levels]
        return len(states) > 2 and not self.levels[-1].left_out and states[-1] == states[-2]


def explore(world: str, seconds: float) -> Result:
    """Try orders of a world with more and more choices, for this long."""
    until, levels = time.monotonic() + seconds, list[Found]()
    with run_of(WORLDS[world]) as run:
        search = Search(run, Seen(), Limits(until))
        for choices in range(_MOST_CHOICES):
            levels.append(search.within(Bounds(choices)))
            result = Result(world, levels)
            if result.violation or levels[-1].left_out or result.is_exhausted:
                break
    return Result(world, levels)


def replay(world: str, order: Order, plant: Callable[[Run], None] = lambda run: None) -> list[str]:
    """Return the calls of an order, and at the end what was wrong, if anything was."""
    with run_of(WORLDS[world]) as run:
        plant(run)
        try:
            while run.arrive():
                if run.step in order:
                    run.take(order[run.step])
                else:
                    run.go_on()
        except Exception as error:  # noqa: BLE001 - it is what was looked for
            return [*run.journal, f"VIOLATION: {error}"]
        return run.journal

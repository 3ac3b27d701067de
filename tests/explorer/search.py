"""The search through all orders within bounds: a process forks at each choice."""

import gc
import json
import os
import time
from collections.abc import Callable
from functools import partial
from mmap import mmap
from pathlib import Path
from struct import Struct
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.explorer.choices import Bounds, Choice, Order
from tests.explorer.run import Run
from tests.explorer.seen import Seen

_COUNTS = Struct("<5q")
_ORDERS, _STATES, _LEFT_OUT, _STEPS, _FOUND_AT = range(5)
_SHORTEN_SECONDS = 5  # for which shorter orders are looked for, once one ends in a violation


class Violation(NamedTuple):
    """An order that ends, after some steps, in something that must never happen."""

    order: Order
    steps: int
    message: str


class Found(NamedTuple):
    """What a search has tried, and the shortest violation that it has found.

    `left_out` is how many choices were not tried, because time was over or they were not wanted.
    """

    bounds: Bounds
    orders: int
    states: int
    left_out: int
    seconds: float
    violation: Violation | None


class Limits(NamedTuple):
    """When a search ends, by `time.monotonic`, and which choices it tries."""

    until: float = float("inf")
    is_wanted: Callable[[Choice, Run], bool] = lambda choice, run: True


class Search:
    """Tries the orders of a run, which is at its beginning before and after."""

    def __init__(self, run: Run, seen: Seen, limits: Limits) -> None:
        self._run, self._seen, self._limits = run, seen, limits
        self._shared = mmap(-1, _COUNTS.size)

    def within(self, bounds: Bounds) -> Found:
        """Try all orders within bounds."""
        self._seen.clear()
        _COUNTS.pack_into(self._shared, 0, 0, 0, 0, 0, 0)
        begun = time.monotonic()
        gc.collect()
        gc.freeze()  # so that copies of this process share its memory
        with TemporaryDirectory() as directory:
            self._path = Path(directory) / "violations"
            self._path.touch()
            self._in_copy(partial(self._explore, bounds))
            violations = [_violation(line) for line in self._path.read_text().splitlines()]
        counts = _COUNTS.unpack_from(self._shared)
        shortest = min(violations, key=lambda each: (len(each.order), each.steps), default=None)
        return Found(bounds, *counts[:_STEPS], time.monotonic() - begun, shortest)

    def _explore(self, bounds: Bounds) -> None:
        run, none = self._run, Bounds(0, 0, 0)
        run.was_seen = lambda rest: not self._seen.enter(rest, none)[1]
        while run.arrive():
            left = bounds if run.allows_choices else none
            is_new, is_entered = self._seen.enter(run.state(), left)
            self._count(_STATES, is_new)
            if not is_entered:
                break
            if self._is_over:
                self._count(_LEFT_OUT, 1)
                break
            if bounds.choices:
                self._branch(bounds)
            run.go_on()
        self._count(_ORDERS, 1)

    def _branch(self, bounds: Bounds) -> None:
        for choice in self._run.choices(bounds):
            if self._is_over or not self._limits.is_wanted(choice, self._run):
                self._count(_LEFT_OUT, 1)
            else:
                self._in_copy(partial(self._take, choice, bounds))

    def _take(self, choice: Choice, bounds: Bounds) -> None:
        self._run.take(choice.what)
        self._explore(bounds.after(choice.kind))

    def _in_copy(self, work: Callable[[], None]) -> None:
        """Do work in a copy of this process, and wait for it."""
        if child := os.fork():
            os.waitpid(child, 0)
            return
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is a violation
            self._note(error)
        finally:
            os._exit(0)

    def _note(self, error: BaseException) -> None:
        run = self._run
        line = json.dumps([sorted(run.order.items()), run.step, f"{error!r}"[:2000]])
        with self._path.open("a") as violations:
            violations.write(f"{line}\n")
        counts = list(_COUNTS.unpack_from(self._shared))
        counts[_STEPS] = min(run.step, counts[_STEPS] or run.step)
        counts[_FOUND_AT] = counts[_FOUND_AT] or int(time.monotonic())
        _COUNTS.pack_into(self._shared, 0, *counts)

    def _count(self, index: int, more: int) -> None:
        counts = list(_COUNTS.unpack_from(self._shared))
        counts[index] += more
        _COUNTS.pack_into(self._shared, 0, *counts)

    @property
    def _is_over(self) -> bool:
        *_, steps, found_at = _COUNTS.unpack_from(self._shared)
        now = time.monotonic()
        is_found = steps and (self._run.step >= steps or now > found_at + _SHORTEN_SECONDS)
        return bool(is_found or now > self._limits.until)


def _violation(line: str) -> Violation:
    order, steps, message = json.loads(line)
    return Violation(dict(order), steps, message)

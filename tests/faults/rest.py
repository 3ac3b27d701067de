"""The end of every example: without more faults, the system comes to rest."""

from collections.abc import Callable

from tests.faults.invariants import Invariants
from tests.faults.scheduler import Outcome
from tests.faults.world import World

_LIMIT_SECONDS = 7200
_RECONCILER_SECONDS = 60


class Calm:
    """The world without faults: messages are delivered, and the reconciler runs each minute."""

    def __init__(self, world: World, reconcile: Callable[[], object]) -> None:
        world.scheduler.note("no more faults from now on")
        world.skew = 0
        self._world = world
        self._reconcile = reconcile
        self._scheduler = world.scheduler
        self._reconciler_at = world.scheduler.now

    def go_on(self) -> None:
        """Deliver what is visible, and let the process that wakes first go on, or time pass."""
        self._world.deliver_all()
        if self._scheduler.now >= self._reconciler_at:
            self._reconciler_at = self._scheduler.now + _RECONCILER_SECONDS
            self._reconcile()
        next_at = min(self._reconciler_at, self._world.next_message_at())
        now, live = self._scheduler.now, self._scheduler.processes
        first = min(live, key=lambda each: each.wakes_at or now, default=None)
        if first and (first.wakes_at or 0) <= max(next_at, now):
            self._scheduler.resume(first, Outcome.DONE)
        else:
            self._scheduler.advance_to(next_at)


def come_to_rest(world: World, invariants: Invariants) -> None:
    """Run without faults until nothing is left to do; raise AssertionError after two hours."""
    calm = Calm(world, world.reconcile)
    invariants.expect_ends()
    until = world.scheduler.now + _LIMIT_SECONDS
    while unfinished := invariants.unfinished():
        assert world.scheduler.now < until, unfinished
        calm.go_on()

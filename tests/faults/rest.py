"""The end of every example: without more faults, the system comes to rest."""

from tests.faults.invariants import Invariants
from tests.faults.scheduler import Outcome
from tests.faults.world import World

_LIMIT_SECONDS = 7200
_RECONCILER_SECONDS = 60


def come_to_rest(world: World, invariants: Invariants) -> None:
    """Run without faults until nothing is left to do; raise AssertionError after two hours."""
    scheduler = world.scheduler
    scheduler.note("no more faults from now on")
    world.skew = 0
    invariants.expect_ends()
    until = scheduler.now + _LIMIT_SECONDS
    reconciler_at = scheduler.now
    while unfinished := invariants.unfinished():
        assert scheduler.now < until, unfinished
        for message in world.queue.visible():
            world.deliver(message)
        if scheduler.now >= reconciler_at:
            reconciler_at = scheduler.now + _RECONCILER_SECONDS
            world.reconcile()
        _go_on(world, reconciler_at)


def _go_on(world: World, reconciler_at: float) -> None:
    """Resume the process that wakes first, or let time pass until the next message or minute."""
    scheduler = world.scheduler
    next_at = min([reconciler_at, *(each.visible_at for each in world.queue.messages)])
    first = min(scheduler.processes, key=lambda each: each.wakes_at or scheduler.now, default=None)
    if first and (first.wakes_at or 0) <= max(next_at, scheduler.now):
        scheduler.resume(first, Outcome.DONE)
    else:
        scheduler.advance_to(next_at)

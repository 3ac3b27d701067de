"""The end of every story: nothing goes wrong any more, and all comes to rest."""

from tests.faults.scheduler import Fate
from tests.faults.truths import Truths
from tests.faults.world import World

_PATIENCE_SECONDS = 7200
_KEEPER_SECONDS = 60


def come_to_rest(world: World, truths: Truths) -> None:
    """Go on until nothing is left to do; raise AssertionError when that takes two hours."""
    scheduler = world.scheduler
    scheduler.note("all goes well from now on")
    world.skew = 0
    truths.expect_ends()
    until = scheduler.now + _PATIENCE_SECONDS
    reconciler_at = scheduler.now
    while unrest := truths.unrest():
        assert scheduler.now < until, unrest
        for message in world.queue.visible():
            world.deliver(message)
        if scheduler.now >= reconciler_at:
            reconciler_at = scheduler.now + _KEEPER_SECONDS
            world.reconcile()
        _go_on(world, reconciler_at)


def _go_on(world: World, reconciler_at: float) -> None:
    """Resume whoever is the first to wake, or let time pass if all sleep for longer."""
    scheduler = world.scheduler
    next_at = min([reconciler_at, *(each.visible_at for each in world.queue.messages)])
    first = min(scheduler.processes, key=lambda each: each.wakes_at or scheduler.now, default=None)
    if first and (first.wakes_at or 0) <= max(next_at, scheduler.now):
        scheduler.resume(first, Fate.DONE)
    else:
        scheduler.advance_to(next_at)

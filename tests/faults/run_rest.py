"""The end of every example with schedules: their runs settle, and then they are deleted."""

from tests.faults.rest import Calm, come_to_rest
from tests.faults.run_invariants import RunInvariants
from tests.faults.run_world import ScheduleWorld

_MINUTE = 60
_SENDING_MINUTES = 2  # for which AWS still sends
_LONGEST_MINUTES = 40


def settle(world: ScheduleWorld, checks: RunInvariants) -> None:
    """Run without faults until each run that is lost counts as missed."""
    calm, now = Calm(world, world.look), world.scheduler.now
    world.eventbridge.stops_at = now + _SENDING_MINUTES * _MINUTE
    windows = [float(each.missed_window_minutes) for each in checks.history.schedules.values()]
    until = now + (max(windows, default=0) + 5) * _MINUTE
    while world.scheduler.now < until or (left := checks.unsettled()):
        assert world.scheduler.now < now + _LONGEST_MINUTES * _MINUTE, left
        calm.go_on()


def come_to_rest_with_schedules(world: ScheduleWorld, checks: RunInvariants) -> None:
    """Let the runs settle, and then delete all schedules; raise AssertionError if one is left."""
    settle(world, checks)
    checks.check_schedules_at_rest()
    for schedule_id in list(checks.history.schedules):
        world.delete(schedule_id)
    come_to_rest(world, checks)
    assert not checks.history.schedules, "schedules were not deleted"
    assert not world.eventbridge.entries, "AWS still has schedules that were deleted"

"""What has to have become of each scheduled time when the system is at rest."""

from math import inf

from chalicelib.models.schedules.run import LATE, MADE, MISSED, REFUSED, SKIPPED, Run, key_of
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.models.schedules.state import COMPLETED, ENABLED
from chalicelib.services.schedules.timetables import timetable_of
from tests.faults.history import History, time_of
from tests.faults.run_queues import RunMessage
from tests.faults.run_world import ScheduleWorld

_MINUTE = 60
_SKEW_SECONDS = 2


class Expectations:
    """The records that the stored schedules need for the messages that AWS has sent."""

    def __init__(self, world: ScheduleWorld, history: History) -> None:
        self._world = world
        self._history = history

    def check(self) -> None:
        """Raise AssertionError if a time that counts has no record, or the wrong one."""
        for schedule in self._history.schedules.values():
            if schedule.state in (ENABLED, COMPLETED):
                for at in self._times(schedule):
                    self._check_time(schedule, at)

    def _times(self, schedule: Schedule) -> list[float]:
        """Return the times since its last write that are over."""
        since = float(schedule.written_at) + _SKEW_SECONDS
        until = inf if schedule.next_run_at is None else float(schedule.next_run_at)
        late = self._world.scheduler.now - (schedule.missed_window_minutes + 6) * _MINUTE
        assert until > late, f"{schedule.id} still expects {key_of(until)}"
        times = timetable_of(schedule).after(since, 100)
        return [at for at in times if at < min(until, self._world.scheduler.now)]

    def _check_time(self, schedule: Schedule, at: float) -> None:
        name = f"{schedule.id} {key_of(at)}"
        run = self._history.runs.get((str(schedule.id), key_of(at)))
        assert run is not None, f"{name} has no record"
        sent = [
            each
            for each in self._world.runs.all
            if (each.schedule_id, each.at) == (schedule.id, at)
        ]
        in_time = [each for each in sent if _is_in_time(schedule, each)]
        is_right = run.status == MADE or self._has_reason(schedule, run, in_time)
        assert is_right, f"{name} is {run.status} {run.reason_code}: {sent}"

    def _has_reason(self, schedule: Schedule, run: Run, in_time: list[RunMessage]) -> bool:
        """Return whether there is a reason not to make a run."""
        handled = [each for each in in_time if each.fate == "handled"]
        if run.status == MISSED:
            # Several messages of a time count as the one that was handled first.
            sent = self._world.runs.all
            was_late = any(each.at == time_of(run) and each not in in_time for each in sent)
            return not handled or (run.reason_code == LATE and was_late)
        if run.status == REFUSED:
            return run.reason_code == "limit_reached"
        return run.status == SKIPPED and run.reason_code == "overlap"


def _is_in_time(schedule: Schedule, message: RunMessage) -> bool:
    latest = message.at - message.at % _MINUTE + (1 + schedule.missed_window_minutes) * _MINUTE
    is_lost = message.fate in ("lost", "undelivered", "dead")
    return message.sent_at <= latest and not is_lost

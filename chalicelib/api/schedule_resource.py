"""Schedules and their runs as callers see them."""

from datetime import datetime
from time import time

from chalicelib.models.schedules.run import Run
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.models.schedules.state import COMPLETED, ENABLED
from chalicelib.schemas.answers.schedules import Run as RunResource
from chalicelib.schemas.answers.schedules import RunReason
from chalicelib.schemas.answers.schedules import Schedule as ScheduleResource
from chalicelib.schemas.times import timestamp
from chalicelib.services.schedules.clock_changes import notes
from chalicelib.services.schedules.timetables import timetable_of
from chalicelib.services.schedules.zones import zone_of

_NEXT_RUNS = 5
LAST_RUNS = 10


def schedule_resource(schedule: Schedule, last_runs: list[Run]) -> ScheduleResource:
    """Return a schedule with its next runs, what to know about them, and its last ten runs."""
    return ScheduleResource(
        id=schedule.id,
        name=schedule.name,
        expression=schedule.expression,
        timezone=schedule.timezone,
        request=schedule.content.request,
        prompts=schedule.content.prompts,
        seed_policy=schedule.seed_policy,
        start_at=_local(schedule.start_at, schedule),
        end_at=_local(schedule.end_at, schedule),
        missed_window_minutes=int(schedule.missed_window_minutes),
        overlap=schedule.overlap,
        pause_after_failures=_whole(schedule.pause_after_failures),
        state=schedule.state,
        pause_note=schedule.pause_note,
        created_at=timestamp(schedule.created_at),
        next_runs=[_at(at, schedule) for at in _next_runs(schedule)],
        notes=_notes(schedule),
        last_runs=[run_resource(run) for run in last_runs],
    )


def run_resource(run: Run) -> RunResource:
    """Return a run as `GET /api/images/schedules/{id}/runs` shows it."""
    reason = RunReason(code=run.reason_code, message=run.reason) if run.reason_code else None
    return RunResource(
        scheduled_at=run.scheduled_at,
        started_at=None if run.started_at is None else timestamp(run.started_at),
        number=_whole(run.number),
        status=run.status,
        reason=reason,
        job_ids=list(run.job_ids),
    )


def _next_runs(schedule: Schedule) -> list[float]:
    """Return the next runs, those that a paused schedule would have if it were resumed."""
    if schedule.state == COMPLETED:
        return []
    return timetable_of(schedule).after(time(), _NEXT_RUNS)


def _notes(schedule: Schedule) -> list[str]:
    if schedule.state == COMPLETED:
        return []
    paused = [] if schedule.state == ENABLED else [schedule.pause_note or "paused"]
    return [*paused, *notes(timetable_of(schedule), time())]


def _local(seconds: float | None, schedule: Schedule) -> str | None:
    return None if seconds is None else _at(seconds, schedule)


def _at(seconds: float, schedule: Schedule) -> str:
    """Write a time with the offset of the schedule's zone."""
    return datetime.fromtimestamp(float(seconds), zone_of(schedule.timezone)).isoformat()


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)

"""The timetable of a stored schedule, and what EventBridge Scheduler has to have of it."""

from datetime import UTC, datetime
from math import ceil

from chalicelib.models.schedules.schedule import Schedule
from chalicelib.services.schedules.expressions import At, Rate, parse
from chalicelib.services.schedules.next_runs import Timetable

_MINUTE = 60


def timetable_of(schedule: Schedule) -> Timetable:
    """Return when a schedule runs."""
    start_at = schedule.start_at if schedule.counts_from is None else schedule.counts_from
    return Timetable(schedule.expression, schedule.timezone, start_at, schedule.end_at)


def next_run(schedule: Schedule, after: float) -> float | None:
    """Return a schedule's first run after a time; None if there is none."""
    return next(iter(timetable_of(schedule).after(after, 1)), None)


def is_planned(schedule: Schedule, at: float) -> bool:
    """Return whether a schedule has a run at a time."""
    return next_run(schedule, at - 1) == at


def counts_from(
    expression: str, start_at: float | None, before: Schedule | None, now: float
) -> float | None:
    """Return the first run of a rate, at a whole minute; None for another expression.

    That is the start that was asked for, else that of the same rate before, else one interval from
    now: AWS would run a rate without a start at once.
    """
    parsed = parse(expression)
    if not isinstance(parsed, Rate):
        return None
    if start_at is not None:
        return _whole_minute(start_at)
    if before and before.counts_from is not None and before.expression == expression:
        return float(before.counts_from)
    return _whole_minute(now + parsed.seconds)


def expression_in_aws(schedule: Schedule) -> tuple[str, str]:
    """Return the expression and the zone that AWS has to have.

    `at()` is sent in UTC: AWS does not document what it does with a time that a clock change
    skips or repeats.
    """
    if isinstance(parse(schedule.expression), At):
        [at] = timetable_of(schedule).after(float("-inf"), 1)
        return At(datetime.fromtimestamp(at, UTC).replace(tzinfo=None)).text, "UTC"
    return str(schedule.expression), str(schedule.timezone)


def start_in_aws(schedule: Schedule, now: float) -> float | None:
    """Return the start that AWS has to have; it refuses one that has passed.

    A rate begins at its next run, so that it keeps its phase.
    """
    parsed = parse(schedule.expression)
    if isinstance(parsed, Rate):
        return next_run(schedule, now)
    is_future = schedule.start_at is not None and schedule.start_at > now
    return float(schedule.start_at) if is_future and not isinstance(parsed, At) else None


def _whole_minute(seconds: float) -> float:
    return float(ceil(seconds / _MINUTE) * _MINUTE)

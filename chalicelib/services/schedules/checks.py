"""Whether a schedule may be written: its expression is clear, and it runs at least once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from chalicelib.errors import InvalidRequest
from chalicelib.services.schedules.expressions import At, Expression, Rate, parse, refuse_unclear
from chalicelib.services.schedules.never_runs import why_never
from chalicelib.services.schedules.next_runs import Timetable, instant
from chalicelib.services.schedules.offset_changes import end_of_gap
from chalicelib.services.schedules.zones import zone_of


def check(timetable: Timetable, now: float) -> None:
    """Raise InvalidRequest, with the field and what to do, unless the schedule runs after `now`.

    A rate must have `start_at`. Forms of cron that programs read differently are refused too.
    """
    expression = parse(timetable.expression)
    refuse_unclear(expression)
    zone_of(timetable.timezone)
    _check_bounds(timetable, expression)
    if isinstance(expression, At):
        _check_exists(timetable, expression)
    if not timetable.after(now, 1):
        raise _never(timetable, expression, now)


def _check_bounds(timetable: Timetable, expression: Expression) -> None:
    bounds = {"start_at": timetable.start_at, "end_at": timetable.end_at}
    for field, value in bounds.items():
        if isinstance(expression, At) and value is not None:
            raise InvalidRequest(
                f"at() runs at its time whatever {field} is",
                field=field,
                suggestion=f"Leave out {field}",
            )
    if isinstance(expression, Rate) and timetable.start_at is None:
        raise InvalidRequest(
            "a rate counts from start_at", field="start_at", suggestion="Send the first run's time"
        )
    start_at, end_at = timetable.start_at, timetable.end_at
    if start_at is not None and end_at is not None and end_at <= start_at:
        raise InvalidRequest(
            "end_at must be after start_at",
            field="end_at",
            suggestion="Send a later end_at, or none",
        )


def _check_exists(timetable: Timetable, at: At) -> None:
    zone = zone_of(timetable.timezone)
    if instant(at.time, zone) is None:
        raise InvalidRequest(
            f"the clock skips {at.time.isoformat()} in {timetable.timezone}",
            field="expression",
            suggestion=f"The next time that exists is {At(end_of_gap(at.time, zone)).text}",
        )


def _never(timetable: Timetable, expression: Expression, now: float) -> InvalidRequest:
    endless = replace(timetable, end_at=None)
    if timetable.end_at is not None and (first := endless.after(now, 1)):
        return InvalidRequest(
            f"the first run would be at {_text(first[0])}, after end_at",
            field="end_at",
            suggestion=f"Send an end_at of {_text(first[0])} or later, or none",
        )
    if timetable.start_at is not None and replace(endless, start_at=None).after(now, 1):
        return InvalidRequest(
            "all runs are before start_at", field="start_at", suggestion="Send an earlier start_at"
        )
    error, suggestion = why_never(timetable, expression, now)
    return InvalidRequest(error, field="expression", suggestion=suggestion)


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

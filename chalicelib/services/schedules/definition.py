"""From the body of a request to the fields of a schedule."""

from math import ceil, floor
from typing import Any

from msgspec import UNSET, Struct, to_builtins

from chalicelib.models.schedules.schedule import Schedule
from chalicelib.schemas.schedules import ALLOW, FIXED, RANDOM, ScheduleRequest
from chalicelib.services.schedules.checks import check
from chalicelib.services.schedules.expressions import parse
from chalicelib.services.schedules.next_runs import Timetable
from chalicelib.services.schedules.requests import Wanted
from chalicelib.services.schedules.timetables import counts_from

_MISSED_WINDOW_MINUTES = 60


class Definition(Struct, frozen=True):
    """The fields of a schedule that its body decides, and what its runs make."""

    fields: dict[str, Any]
    wanted: Wanted


def defined(
    body: ScheduleRequest, schedule_id: str, before: Schedule | None, *, now: float
) -> Definition:
    """Return what a body defines; what is left out has its default.

    Raise InvalidRequest, with the field, the reason and the fix, for an expression that is invalid,
    that AWS and other programs read differently, or that never runs. `before` is the schedule that
    the body replaces, whose rate keeps its phase.
    """
    request = body.request
    timezone = body.timezone or "UTC"
    expression = parse(body.expression).text
    # Whole seconds within the times that were asked for: AWS's have no fractions.
    start_at = None if body.start_at is None else float(ceil(body.start_at.timestamp()))
    end_at = None if body.end_at is None else float(floor(body.end_at.timestamp()))
    first = counts_from(expression, start_at, before, now)
    check(Timetable(expression, timezone, first or start_at, end_at), now)
    policy = body.seed_policy or (RANDOM if request.seed in (UNSET, -1) else FIXED)
    fields = {
        "name": body.name,
        "expression": expression,
        "timezone": timezone,
        "start_at": start_at,
        "end_at": end_at,
        "counts_from": first,
        "seed_policy": policy,
        "overlap": body.overlap or ALLOW,
        "missed_window_minutes": body.missed_window_minutes or _MISSED_WINDOW_MINUTES,
        "pause_after_failures": body.pause_after_failures,
    }
    return Definition(
        fields, Wanted(schedule_id, to_builtins(request), body.prompts, policy, timezone)
    )

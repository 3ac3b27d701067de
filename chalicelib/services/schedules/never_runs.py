"""Why an expression never runs, and what to write instead."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.services.schedules.cron import Cron, cron_text
from chalicelib.services.schedules.cron_fields import DAY_OF_MONTH, DAY_OF_WEEK, HOURS, YEAR
from chalicelib.services.schedules.expressions import At, Expression, Rate
from chalicelib.services.schedules.next_runs import DAY_SECONDS, Timetable, instant
from chalicelib.services.schedules.remedies import with_field
from chalicelib.services.schedules.zones import zone_of


def why_never(timetable: Timetable, expression: Expression, now: float) -> tuple[str, str]:
    """Return why an expression has no run after `now`, and what to do."""
    zone = zone_of(timetable.timezone)
    local = datetime.fromtimestamp(now, zone).replace(tzinfo=None)
    clock = f"it is {local:%Y-%m-%dT%H:%M:%S} in {timetable.timezone} now"
    if isinstance(expression, Rate):
        return f"the next run would be after the year {YEAR.high}", "Write a shorter interval"
    if isinstance(expression, At):
        later = datetime.fromtimestamp(now // 1 + DAY_SECONDS, zone).replace(tzinfo=None)
        advice = f"Write a later time, as {At(later).text}"
        return f"{expression.time.isoformat()} is over: {clock}", advice
    if not any(True for _ in expression.times(datetime.min)):  # noqa: DTZ901
        reason = f"{_day_field(expression)}: no month has such a day"
        return _advised(reason, timetable, expression, _other_days(expression), now)
    if any(instant(time, zone) is None for time in expression.times(local)):
        reason = f"hours: the clock of {timetable.timezone} skips all these times"
        return _advised(reason, timetable, expression, _other_hours(expression), now)
    any_year = with_field(expression.fields, YEAR.name, "*")
    reason = f"year: all times are over: {clock}"
    return _advised(reason, timetable, expression, [any_year], now)


def _advised(
    reason: str, timetable: Timetable, cron: Cron, tries: list[tuple[str, ...]], now: float
) -> tuple[str, str]:
    for text in map(cron_text, tries):
        if text != cron.text and replace(timetable, expression=text).after(now, 1):
            return reason, f"Write {text}"
    return reason, "Write other days, hours or years"


def _other_days(cron: Cron) -> list[tuple[str, ...]]:
    """Return the fields with the last such day of a month, and then in any year."""
    day, is_nth, _ = cron.fields[4].partition("#")
    last = with_field(cron.fields, _day_field(cron), f"{day}L" if is_nth else "L")
    return [last, with_field(last, YEAR.name, "*")]


def _other_hours(cron: Cron) -> list[tuple[str, ...]]:
    """Return the fields with an hour of the next three."""
    hours = [(cron.hours[-1] + more) % 24 for more in (1, 2, 3)]
    return [with_field(cron.fields, HOURS.name, str(hour)) for hour in hours]


def _day_field(cron: Cron) -> str:
    return DAY_OF_WEEK.name if cron.fields[2] == "?" else DAY_OF_MONTH.name

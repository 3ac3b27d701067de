"""What the next clock changes do to the runs of a schedule."""

from __future__ import annotations

from datetime import datetime
from itertools import islice, takewhile

from chalicelib.services.schedules.cron import Cron
from chalicelib.services.schedules.expressions import At, Rate, parse
from chalicelib.services.schedules.next_runs import Timetable
from chalicelib.services.schedules.offset_changes import Change, changes, offset
from chalicelib.services.schedules.zones import zone_of

_DAYS = 400
_MOST_NOTES = 3


def notes(timetable: Timetable, now: float) -> list[str]:
    """Say what is unusual at the clock changes of the next 400 days; at most three notes."""
    expression, zone = parse(timetable.expression), zone_of(timetable.timezone)
    found = changes(zone, now, _DAYS)
    if isinstance(expression, Rate):
        return _notes_of_rate(timetable, now, list(found))
    said = (_note(timetable, expression, change, now) for change in found)
    return list(islice(filter(None, said), _MOST_NOTES))


def _notes_of_rate(timetable: Timetable, now: float, found: list[Change]) -> list[str]:
    zone = timetable.timezone
    if not found and not offset(zone_of(zone), int(now)):
        return []
    text = f"The timezone {zone} has no effect on a rate"
    coming = [change for change in found if _is_within(timetable, change.at)]
    if coming:
        text += (
            ": the local time of its runs shifts when the clock changes, "
            f"next on {coming[0].begin:%Y-%m-%d}"
        )
    return [text]


def _note(timetable: Timetable, expression: Cron | At, change: Change, now: float) -> str:
    times = _affected(timetable, expression, change, now)
    zone = timetable.timezone
    if not times:
        return ""
    first, last = times[0], times[-1]
    day = f"{first:%Y-%m-%d}"
    if change.skips and first == last:
        return f"No run at {first:%H:%M} on {day}: the clock skips this time in {zone}"
    if change.skips:
        return (
            f"No run from {first:%H:%M} to {last:%H:%M} on {day}: "
            f"the clock skips these times in {zone}"
        )
    if isinstance(expression, At) or (first == last and not _is_hourly(expression, first.hour)):
        return f"{first:%H:%M} on {day} happens twice in {zone}: the run is at the first"
    return (
        f"{change.begin:%H:%M} to {change.end:%H:%M} on {day} happens twice in {zone}: "
        "AWS does not document what it does the second time, and runs may pause for "
        f"{_length(change)}; use the timezone UTC or a rate if they must not"
    )


def _affected(
    timetable: Timetable, expression: Cron | At, change: Change, now: float
) -> list[datetime]:
    """Return the schedule's wall times that the change skips or repeats."""
    if isinstance(expression, At):
        times, is_within = [expression.time], change.begin <= expression.time < change.end
        return times if is_within and change.first_instant(expression.time) > now else []
    coming = takewhile(lambda time: time < change.end, expression.times(change.begin))
    instants = ((time, change.first_instant(time)) for time in coming)
    return [time for time, at in instants if at > now and _is_within(timetable, at)]


def _is_within(timetable: Timetable, moment: float) -> bool:
    start_at, end_at = timetable.start_at, timetable.end_at
    return (start_at is None or start_at <= moment) and (end_at is None or moment <= end_at)


def _is_hourly(cron: Cron, hour: int) -> bool:
    return bool({(hour - 1) % 24, (hour + 1) % 24} & set(cron.hours))


def _length(change: Change) -> str:
    minutes = int((change.end - change.begin).total_seconds() // 60)
    return "an hour" if minutes == 60 else f"{minutes} minutes"

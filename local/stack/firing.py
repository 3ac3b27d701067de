"""When the emulated Scheduler fires a schedule, and what it sends."""

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from chalicelib.services.schedules.next_runs import Timetable

# Part of the schedule's record, so that it is saved, and ends, with the schedule.
LAST_FIRED = "_LastFired"
# AWS fires within a minute; what was missed for longer, while the emulator was off, is not fired.
LATE_SECONDS = 60

Record = dict[str, Any]


def due(record: Record, now: float) -> list[float]:
    """Return the scheduled times that have come and are not fired yet."""
    timetable, since = _timetable(record), _since(record)
    if record["State"] != "ENABLED" or _next(timetable, since) > now:
        return []
    times = timetable.after(max(since, now - LATE_SECONDS), 2)
    return [time for time in times if time <= now]


def is_complete(record: Record, now: float) -> bool:
    """Return whether the schedule has run for the last time and is to be deleted."""
    if record["ActionAfterCompletion"] != "DELETE" or record["State"] != "ENABLED":
        return False
    if _kind(record) == "at":
        return _next(_timetable(record), _changed(record)) <= now
    return record["EndDate"] is not None and now > record["EndDate"]


def filled(text: str, record: Record, time: float, execution: str) -> str:
    """Return the input with its context attributes replaced."""
    for attribute, value in {
        "schedule-arn": record["Arn"],
        "scheduled-time": iso(time),
        "execution-id": execution,
        "attempt-number": "1",
    }.items():
        text = text.replace(f"<aws.scheduler.{attribute}>", value)
    return text


def failure(
    record: Record, time: float, execution: str, *, code: str, message: str
) -> dict[str, dict[str, str]]:
    """Return the message attributes in the dead-letter queue of a run that was not delivered."""
    values = {
        "ERROR_CODE": code,
        "ERROR_MESSAGE": message,
        "EXECUTION_ID": execution,
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "0",
        "SCHEDULED_TIME": iso(time),
        "SCHEDULE_ARN": record["Arn"],
        "TARGET_ARN": record["Target"]["Arn"],
    }
    return {
        name: {"DataType": "String", "StringValue": value} for name, value in sorted(values.items())
    }


def iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _timetable(record: Record) -> Timetable:
    expression, zone = record["ScheduleExpression"], record["ScheduleExpressionTimezone"]
    if _kind(record) == "at":  # AWS ignores its StartDate and EndDate
        return Timetable(expression, zone)
    start = record["StartDate"]
    if start is None and _kind(record) == "rate":
        start = math.ceil(record["LastModificationDate"])
    return Timetable(expression, zone, start, record["EndDate"])


def _kind(record: Record) -> str:
    kind: str = record["ScheduleExpression"].strip().partition("(")[0]
    return kind


def _changed(record: Record) -> float:
    """Return a moment before the first scheduled time, in whole seconds, that counts."""
    return math.ceil(record["LastModificationDate"]) - 0.5


def _since(record: Record) -> float:
    return max(_changed(record), record.get(LAST_FIRED, 0.0))


# A look comes every second, and the next run of most schedules stays the same.
@lru_cache(maxsize=10_000)
def _next(timetable: Timetable, moment: float) -> float:
    return next(iter(timetable.after(moment, 1)), math.inf)

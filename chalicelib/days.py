"""Days in UTC, by seconds since the epoch."""

from datetime import UTC, date, datetime

DAY_SECONDS = 86_400


def day_start(now: float) -> float:
    """Return when the day of a time began."""
    return now - now % DAY_SECONDS


def day_end(now: float) -> float:
    """Return when the next day begins."""
    return day_start(now) + DAY_SECONDS


def date_of(now: float) -> date:
    """Return the day of a time."""
    return datetime.fromtimestamp(now, UTC).date()


def seconds_to_next_day(now: float) -> int:
    """Return the whole seconds after which the next day has begun."""
    return int(day_end(now) - now) + 1

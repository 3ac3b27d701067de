"""Spans of whole days in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from msgspec import Struct
from ulid import ULID

from chalicelib.errors import InvalidRequest

_USUAL_DAYS = 30
_MOST_DAYS = 366

_DAY = timedelta(days=1)


class Period(Struct, frozen=True):
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    @classmethod
    def between(cls, first: date | None, last: date | None, *, today: date) -> Period:
        """Return a period, by default 30 days until today; raise InvalidRequest if it is invalid.

        A period that ends before it begins, or has more than 366 days, is invalid.
        """
        last = last or today
        first = first or last - _DAY * (_USUAL_DAYS - 1)
        if first > last:
            raise InvalidRequest(f"from must not be after {last}", field="from")
        if (last - first).days >= _MOST_DAYS:
            raise InvalidRequest(f"a period has at most {_MOST_DAYS} days", field="from")
        return cls(first, last)

    @property
    def days(self) -> list[date]:
        """All days, oldest first."""
        return [self.first + _DAY * index for index in range((self.last - self.first).days + 1)]

    @property
    def job_ids(self) -> tuple[str, str]:
        """The lowest and the highest possible id of a job accepted in the period."""
        begin, end = _begin(self.first), _begin(self.last + _DAY) - timedelta(milliseconds=1)
        lowest, highest = str(ULID.from_datetime(begin)), str(ULID.from_datetime(end))
        return f"{lowest[:10]}{'0' * 16}", f"{highest[:10]}{'Z' * 16}"

    def seconds_until(self, now: float, *, since: date) -> float:
        """Return the seconds of the period from the start of the day `since` until `now`."""
        end = min(now, _begin(self.last + _DAY).timestamp())
        return max(end - _begin(max(self.first, since)).timestamp(), 0)


def day_of(job_id: str) -> date:
    """Return the day on which a job was accepted."""
    return ULID.from_str(job_id).datetime.astimezone(UTC).date()


def today(now: float) -> date:
    """Return the day of a time in seconds since the epoch."""
    return datetime.fromtimestamp(now, UTC).date()


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)

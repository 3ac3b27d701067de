"""When the offset of a timezone from UTC changes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

_DAY_SECONDS = 86_400


class Change(NamedTuple):
    """A change of a zone's offset from UTC: when, and the offsets before and after it."""

    at: int
    before: timedelta
    after: timedelta

    @property
    def skips(self) -> bool:
        """Whether the clock skips the wall times from `begin` to `end`; else it repeats them."""
        return self.after > self.before

    @property
    def begin(self) -> datetime:
        """The first wall time that is skipped or repeated."""
        return _utc(self.at) + min(self.before, self.after)

    @property
    def end(self) -> datetime:
        """The first wall time after those that are skipped or repeated."""
        return _utc(self.at) + max(self.before, self.after)

    def first_instant(self, time: datetime) -> float:
        """Return when a skipped wall time would be, or a repeated one is first."""
        return (time - self.before).replace(tzinfo=UTC).timestamp()


def changes(zone: tzinfo, begin: float, days: int) -> Iterator[Change]:
    """Yield the changes within some days from `begin`, in order; at most one of each 24 hours."""
    for start in range(int(begin), int(begin) + days * _DAY_SECONDS, _DAY_SECONDS):
        before, after = offset(zone, start), offset(zone, start + _DAY_SECONDS)
        if before != after:
            seconds = range(start, start + _DAY_SECONDS)
            index = bisect_left(seconds, True, key=lambda at: offset(zone, at) != before)  # noqa: FBT003
            yield Change(start + index, before, after)


def end_of_gap(time: datetime, zone: tzinfo) -> datetime:
    """Return the next wall time that exists, of one that the clock skips."""
    begin = time.replace(tzinfo=UTC).timestamp() - 2 * _DAY_SECONDS
    ends = (change.end for change in changes(zone, begin, 4) if change.begin <= time < change.end)
    return next(ends, time + timedelta(days=1))


def offset(zone: tzinfo, seconds: int) -> timedelta:
    """Return the offset of a zone from UTC at a moment."""
    return datetime.fromtimestamp(seconds, zone).utcoffset() or timedelta()


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)

"""When a schedule runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import count as counting
from itertools import islice

from chalicelib.services.schedules.cron import Cron
from chalicelib.services.schedules.expressions import At, Rate, parse
from chalicelib.services.schedules.zones import zone_of

DAY_SECONDS = 86_400
_LAST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Timetable:
    """When a schedule runs. Times are seconds since the epoch.

    No run is before `start_at` or after `end_at`; both count. A rate counts from `start_at`, and
    has no runs without it. `at()` runs at its time, whatever `start_at` and `end_at` are.
    """

    expression: str
    timezone: str = "UTC"
    start_at: float | None = None
    end_at: float | None = None

    def after(self, moment: float, count: int = 5) -> list[float]:
        """Return the first runs after a moment, at most `count`; none is after the year 2199.

        A wall time that the clock skips has no run, and one that it repeats has one run, the first.
        """
        return list(islice((run for run in self._runs(moment) if run > moment), count))

    def _runs(self, moment: float) -> Iterator[float]:
        expression, zone = parse(self.expression), zone_of(self.timezone)
        if isinstance(expression, At):
            if (run := instant(expression.time, zone)) is not None:
                yield run
        elif isinstance(expression, Cron):
            yield from self._until_end(self._cron_runs(expression, zone, moment))
        elif self.start_at is not None:
            yield from self._until_end(_rate_runs(expression, self.start_at, moment))

    def _cron_runs(self, cron: Cron, zone: tzinfo, moment: float) -> Iterator[float]:
        first = moment if self.start_at is None else max(moment, self.start_at)
        first = min(max(first, -DAY_SECONDS), _LAST + DAY_SECONDS)
        for time in cron.times(_wall_time(first, zone)):
            run = instant(time, zone)
            if run is not None and run >= first:
                yield run

    def _until_end(self, runs: Iterator[float]) -> Iterator[float]:
        for run in runs:
            if self.end_at is not None and run > self.end_at:
                return
            yield run


def instant(time: datetime, zone: tzinfo) -> float | None:
    """Return when a wall time is, the first if it is twice; None if the clock skips it."""
    seconds = time.replace(tzinfo=zone).timestamp()
    return seconds if _wall_time(seconds, zone) == time else None


def _wall_time(seconds: float, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(seconds, zone).replace(tzinfo=None, fold=0)


def _rate_runs(rate: Rate, start_at: float, moment: float) -> Iterator[float]:
    gone = max(int((moment - start_at) // rate.seconds), 0)
    for number in counting(gone):
        run = start_at + number * rate.seconds
        if run >= _LAST:
            return
        yield run

"""Six-field cron expressions, and the wall times that they match."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from chalicelib.services.schedules.cron_fields import HOURS, MINUTES, MONTH, YEAR
from chalicelib.services.schedules.day_rules import DayRule, day_rule


@dataclass(frozen=True)
class Cron:
    """A cron expression: the texts of its six fields, and the numbers that they allow, in order."""

    fields: tuple[str, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: DayRule
    months: tuple[int, ...]
    years: tuple[int, ...]

    @classmethod
    def read(cls, fields: tuple[str, ...]) -> Cron:
        """Read the six fields; raise Flaw if one is not valid."""
        minutes, hours, of_month, month, of_week, year = fields
        return cls(
            fields,
            MINUTES.values(minutes),
            HOURS.values(hours),
            day_rule(of_month, of_week),
            MONTH.values(month),
            YEAR.values(year),
        )

    @property
    def text(self) -> str:
        """The expression as it is sent to AWS."""
        return cron_text(self.fields)

    def times(self, first: datetime) -> Iterator[datetime]:
        """Yield the wall times that match, from `first` (without a timezone), in order."""
        for day in self._dates(first.date()):
            hours = [hour for hour in self.hours if day > first.date() or hour >= first.hour]
            for hour in hours:
                for minute in self.minutes:
                    time = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001
                    if time >= first:
                        yield time

    def _dates(self, first: date) -> Iterator[date]:
        for year in self.years:
            for month in self.months if year >= first.year else ():
                if (year, month) >= (first.year, first.month):
                    days = self.days.days(year, month)
                    yield from (found for day in days if (found := date(year, month, day)) >= first)


def cron_text(fields: tuple[str, ...]) -> str:
    """Return an expression of fields, with single spaces."""
    return f"cron({' '.join(fields)})"

"""The days of a month that a cron expression's day-of-month or day-of-week allows."""

from __future__ import annotations

import re
from calendar import monthrange
from typing import NamedTuple

from chalicelib.services.schedules.cron_fields import DAY_OF_MONTH, DAY_OF_WEEK, Flaw

_SATURDAY, _SUNDAY = 5, 6  # as datetime counts weekdays


class DaysOfMonth(NamedTuple):
    """Days by number; a month without the number has no such day."""

    numbers: tuple[int, ...]

    def days(self, year: int, month: int) -> list[int]:
        """Return the days of a month, in order."""
        _, length = monthrange(year, month)
        return [day for day in self.numbers if day <= length]


class LastDay(NamedTuple):
    """`L`, or `L-n`: the day `before` days before the last."""

    before: int = 0

    def days(self, year: int, month: int) -> list[int]:
        """Return the day, if the month has it."""
        _, length = monthrange(year, month)
        return [length - self.before] if length > self.before else []


class NearestWeekday(NamedTuple):
    """`nW`, or `LW`: the day from Monday to Friday nearest to a day, in the same month."""

    day: int | None = None  # the last if None

    def days(self, year: int, month: int) -> list[int]:
        """Return the day; a month without day n has none."""
        first, length = monthrange(year, month)
        day = self.day or length
        if day > length:
            return []
        weekday = (first + day - 1) % 7
        if weekday == _SATURDAY:
            return [day - 1 if day > 1 else day + 2]
        if weekday == _SUNDAY:
            return [day + 1 if day < length else day - 2]
        return [day]


class DaysOfWeek(NamedTuple):
    """Days of each week; 1 = SUN … 7 = SAT."""

    numbers: tuple[int, ...]

    def days(self, year: int, month: int) -> list[int]:
        """Return the days of a month, in order."""
        first, length = monthrange(year, month)
        return [day for day in range(1, length + 1) if (first + day) % 7 + 1 in self.numbers]


class NthOfWeek(NamedTuple):
    """`d#n`: the nth such day of a month, or `dL`: the last, for which `nth` is 0."""

    number: int
    nth: int

    def days(self, year: int, month: int) -> list[int]:
        """Return the day, if the month has it."""
        return DaysOfWeek((self.number,)).days(year, month)[self.nth - 1 :][:1]


DayRule = DaysOfMonth | LastDay | NearestWeekday | DaysOfWeek | NthOfWeek


def day_rule(of_month: str, of_week: str) -> DayRule:
    """Read the two day fields; raise Flaw unless exactly one is `?` and the other is valid."""
    if of_month == "?" and of_week == "?":
        raise Flaw(DAY_OF_MONTH.name, "? is in both day fields", "Write * in one", "*")
    if of_week == "?":
        return _of_month(of_month)
    if of_month == "?":
        return _of_week(of_week)
    reason, advice = "one of the two day fields must be ?", "Write ? in one of them"
    if of_month == "*" and of_week != "*":
        raise Flaw(DAY_OF_MONTH.name, reason, advice, "?")
    raise Flaw(DAY_OF_WEEK.name, reason, advice, "?")


def _of_month(text: str) -> DayRule:
    if text == "L":
        return LastDay()
    if text == "LW":
        return NearestWeekday()
    if match := re.fullmatch(r"L-([0-9]{1,2})", text):
        return LastDay(DAY_OF_MONTH.number(match[1], text))
    if match := re.fullmatch(r"([0-9]{1,2})W", text):
        return NearestWeekday(DAY_OF_MONTH.number(match[1], text))
    return DaysOfMonth(DAY_OF_MONTH.values(text))


def _of_week(text: str) -> DayRule:
    if text == "L":
        return DaysOfWeek((DAY_OF_WEEK.high,))
    if match := re.fullmatch(r"([0-9]|[A-Za-z]{3})L", text):
        return NthOfWeek(DAY_OF_WEEK.number(match[1], text), 0)
    if match := re.fullmatch(r"([0-9]|[A-Za-z]{3})#([1-5])", text):
        return NthOfWeek(DAY_OF_WEEK.number(match[1], text), int(match[2]))
    if "#" in text and "," not in text:
        day, _, nth = text.partition("#")
        DAY_OF_WEEK.number(day, text)
        raise Flaw(DAY_OF_WEEK.name, f"#{nth} is not #1-#5", "Write a day, # and 1-5", f"{day}#5")
    return DaysOfWeek(DAY_OF_WEEK.values(text))

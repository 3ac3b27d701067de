"""The fields of a cron expression, and the numbers that the text of one allows."""

from __future__ import annotations

import re
from typing import NamedTuple

_VALUE = r"[0-9]{1,4}|[A-Za-z]{3}"
_ITEM = re.compile(rf"(\*|{_VALUE})(?:-({_VALUE}))?(?:/([0-9]{{1,4}}))?")
_UNIX_DAY = re.compile(r"(?<![#/0-9A-Za-z])[0-7](?![0-9])")


class Flaw(Exception):
    """The text of a field is not valid: why, what to do, and the text that `fix`es it, if known."""

    def __init__(self, field: str, reason: str, advice: str, fix: str | None = None) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.advice = advice
        self.fix = fix


class Field(NamedTuple):
    """A field: its lowest and its highest number, and the names of its numbers from the lowest."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> tuple[int, ...]:
        """Return the numbers that a text allows, in order; raise Flaw if it is not valid."""
        numbers = {number for item in text.split(",") for number in self._item(item, text)}
        return tuple(sorted(numbers))

    def number(self, word: str, text: str) -> int:
        """Return the number of a number or a name; raise Flaw if the field does not have it."""
        if word.upper() in self.names:
            return self.names.index(word.upper()) + self.low
        if word.isdecimal() and self.low <= int(word) <= self.high:
            return int(word)
        if self is DAY_OF_WEEK and word.isdecimal() and int(word) == 0:
            raise Flaw(self.name, f"{word} is not a day", "1 = SUN … 7 = SAT", by_unix_names(text))
        raise Flaw(self.name, f"{word} is not {self._range}", f"Write {self._range}")

    def name_of(self, number: int) -> str:
        """Return the name of a number, or the number where the field has no names."""
        return self.names[number - self.low] if self.names else str(number)

    @property
    def _range(self) -> str:
        names = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self.high}{names}"

    def _item(self, item: str, text: str) -> range:
        match = _ITEM.fullmatch(item)
        if not match or (item[0] == "*" and (match[2] or "," in text)):
            raise self._unreadable(item, text)
        first, last, step = match.groups()
        if first == "*":
            return range(self.low, self.high + 1, self._step(step))
        low = self.number(first, text)
        high = self.number(last, text) if last else self.high if step else low
        if low > high:
            raise self._wraps(low, high, self._step(step), item, text)
        return range(low, high + 1, self._step(step))

    def _step(self, step: str | None) -> int:
        if step and not 1 <= int(step) <= self.high:
            advice = f"Write a step of 1-{self.high}, or none"
            if self in {MINUTES, HOURS} and int(step):
                advice = f"For longer intervals write a rate: rate({int(step)} {self.name})"
            raise Flaw(self.name, f"the step {step} is not 1-{self.high}", advice)
        return int(step) if step else 1

    def _unreadable(self, item: str, text: str) -> Flaw:
        if "?" in text:
            return Flaw(self.name, "? is only for one of the day fields", "Write *", "*")
        if "," in text and set(item) & set("LW#"):
            advice = "Write a schedule for each, such as"
            return Flaw(self.name, "L, W and # cannot be in a list", advice, item)
        if set(text) & set("lw"):
            return Flaw(self.name, f"{item} cannot be read", "Write capitals", text.upper())
        reason = f"{item} is not a value, a range or a step" if item else "a value is missing"
        if item == "*":
            reason = "* cannot be in a list"
        return Flaw(self.name, reason, f"Write *, or {self._range}", "*")

    def _wraps(self, low: int, high: int, step: int, item: str, text: str) -> Flaw:
        round_ = [*range(low, self.high + 1), *range(self.low, high + 1)][::step]
        fix = ",".join(map(self.name_of, round_))
        if self is YEAR:
            fix = f"{high}-{low}"
        whole = ",".join(fix if each == item else each for each in text.split(","))
        return Flaw(self.name, f"the range {item} ends before it begins", "Write", whole)


def by_unix_names(text: str) -> str:
    """Return a day-of-week with names for the numbers of Unix, where 0 and 7 are SUN."""
    return _UNIX_DAY.sub(lambda match: DAY_OF_WEEK.names[int(match[0]) % 7], text)


MINUTES = Field("minutes", 0, 59)
HOURS = Field("hours", 0, 23)
DAY_OF_MONTH = Field("day-of-month", 1, 31)
MONTH = Field(
    "month",
    1,
    12,
    ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
DAY_OF_WEEK = Field("day-of-week", 1, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))
YEAR = Field("year", 1970, 2199)
FIELDS = (MINUTES, HOURS, DAY_OF_MONTH, MONTH, DAY_OF_WEEK, YEAR)

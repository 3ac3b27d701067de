"""The runs of any cron expression are the minutes of UTC whose wall time matches its fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.services.schedules.next_runs import Timetable

Matches = Callable[[datetime], bool]

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Asia/Kolkata",
    "Pacific/Chatham",
    "UTC",
)
BEGIN = int(datetime.fromisoformat("2027-01-01T00:00:00Z").timestamp())
HOUR, DAY = 3600, 86_400
DAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class Part(NamedTuple):
    """The text of one or more fields, and whether a wall time matches them."""

    text: str
    matches: Matches


@cache
def changes_of(zone: str) -> tuple[int, ...]:
    """Return the hours of 2027 at whose end the zone has another offset than at their begin."""
    offsets = {
        hour: datetime.fromtimestamp(hour, ZoneInfo(zone)).utcoffset()
        for hour in range(BEGIN, BEGIN + 365 * DAY, HOUR)
    }
    return tuple(hour for hour in offsets if offsets[hour] != offsets.get(hour + HOUR))


@st.composite
def numbers(draw: st.DrawFn, low: int, high: int) -> tuple[str, set[int]]:
    """Draw a text of a numeric field, and the numbers that it means."""
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    step = draw(st.integers(1, high))
    few = draw(st.lists(st.integers(low, high), min_size=1, max_size=5))
    return draw(
        st.sampled_from(
            [
                ("*", set(range(low, high + 1))),
                (f"*/{step}", set(range(low, high + 1, step))),
                (f"{first}/{step}", set(range(first, high + 1, step))),
                (f"{first}-{last}", set(range(first, last + 1))),
                (f"{first}-{last}/{step}", set(range(first, last + 1, step))),
                (",".join(map(str, few)), set(few)),
                (f"{first}-{last},{few[0]}", {*range(first, last + 1), few[0]}),
            ]
        )
    )


def aws_weekday(time: datetime) -> int:
    return time.isoweekday() % 7 + 1


def nearest_weekday(time: datetime, day: int) -> bool:
    """Whether the date of a time is the weekday nearest to a day of its month."""
    first = time.replace(day=1)
    month = [first + timedelta(days=index) for index in range(31)]
    month = [each for each in month if each.month == time.month]
    if day > len(month):
        return False
    weekdays = [each.day for each in month if each.isoweekday() < 6]
    return time.day == min(weekdays, key=lambda each: abs(each - day))


def length_of_month(time: datetime) -> int:
    return ((time.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)).day


@st.composite
def days(draw: st.DrawFn) -> Part:
    """Draw the texts of day-of-month, month and day-of-week, of which months are any."""
    days_text, in_month = draw(numbers(1, 31))
    week_text, in_week = draw(numbers(1, 7))
    day, weekday, nth = draw(st.integers(1, 31)), draw(st.integers(1, 7)), draw(st.integers(1, 5))
    name = draw(st.sampled_from([DAY_NAMES[weekday - 1], DAY_NAMES[weekday - 1].lower()]))
    return draw(
        st.sampled_from(
            [
                Part("* * ?", lambda time: True),
                Part(f"{days_text} * ?", lambda time: time.day in in_month),
                Part("L * ?", lambda time: time.day == length_of_month(time)),
                Part("LW * ?", lambda time: nearest_weekday(time, length_of_month(time))),
                Part(f"{day}W * ?", lambda time: nearest_weekday(time, day)),
                Part("? * *", lambda time: True),
                Part(f"? * {week_text}", lambda time: aws_weekday(time) in in_week),
                Part(f"? * {name}", lambda time: aws_weekday(time) == weekday),
                Part(
                    f"? * {name}#{nth}",
                    lambda time: aws_weekday(time) == weekday and (time.day - 1) // 7 == nth - 1,
                ),
                Part(
                    f"? * {weekday}L",
                    lambda time: (
                        aws_weekday(time) == weekday and time.day > length_of_month(time) - 7
                    ),
                ),
            ]
        )
    )


@st.composite
def crons(draw: st.DrawFn) -> Part:
    """Draw an expression, and whether a wall time matches it."""
    minute_text, minutes = draw(numbers(0, 59))
    hour_text, hours = draw(numbers(0, 23))
    day = draw(days() | st.just(Part("* * ?", lambda time: True)))
    return Part(
        f"cron({minute_text} {hour_text} {day.text} *)",
        lambda time: time.minute in minutes and time.hour in hours and day.matches(time),
    )


@st.composite
def moments(draw: st.DrawFn, zone: str) -> int:
    """Draw a moment of 2027, mostly about a clock change of the zone."""
    changes = changes_of(zone)
    around = draw(st.sampled_from(changes)) if changes else draw(st.integers(BEGIN, BEGIN + DAY))
    return around + draw(st.integers(-3 * HOUR, 3 * HOUR) | st.integers(-2 * DAY, DAY))


def walked(matches: Matches, zone: str, moment: int, end: int) -> Iterator[int]:
    """Yield the minutes after a moment whose wall time matches, and was not before."""
    seen = set()
    first = moment // 60 * 60 - 3 * HOUR  # no clock change repeats more than two hours
    for minute in range(first, end + 1, 60):
        wall = datetime.fromtimestamp(minute, ZoneInfo(zone)).replace(tzinfo=None, fold=0)
        if wall not in seen and minute > moment and matches(wall):
            yield minute
        seen.add(wall)


@settings(max_examples=20)
@pytest.mark.parametrize("zone", ZONES)
@given(data=st.data())
def test_the_runs_are_the_minutes_that_match(zone: str, data: st.DataObject) -> None:
    cron, moment = data.draw(crons()), data.draw(moments(zone))
    end = moment + 2 * DAY
    expected = list(walked(cron.matches, zone, moment, end))
    assert Timetable(cron.text, zone, end_at=end).after(moment, 3000) == expected


@given(moment=st.integers(BEGIN, BEGIN + 365 * DAY), start=st.integers(-10, 1000))
def test_runs_of_a_rate_are_its_multiples_from_its_start(moment: int, start: int) -> None:
    timetable = Timetable("rate(7 minutes)", start_at=moment - start, end_at=moment + 2000)
    expected = [each for each in range(moment - start, moment + 2001, 420) if each > moment]
    assert timetable.after(moment, 10) == expected

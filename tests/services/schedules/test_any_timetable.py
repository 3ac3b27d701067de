"""Whatever is sent as a schedule either works or is refused as an invalid request."""

from __future__ import annotations

import re
from contextlib import suppress
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import InvalidRequest
from chalicelib.services.schedules.checks import check
from chalicelib.services.schedules.clock_changes import notes
from chalicelib.services.schedules.expressions import parse, refuse_unclear
from chalicelib.services.schedules.next_runs import Timetable
from chalicelib.services.schedules.zones import zone_of

NOW = 1_798_761_600  # 2027-01-01
YEAR = 366 * 86_400
LONGEST_SECONDS = 5  # of one schedule, on a slow machine

WORDS = (
    "* ? L LW L-3 15W 31W MON 6L 6#3 6#6 */7 0 2 30 FEB 22-2 1-5 1,2 0/0 2027 2026-2028 99999 / - ,"
)
fields = st.sampled_from([*WORDS.split(), "\u017fUN"]) | st.text(
    "0123456789*/,-?LW#SUNMOelw", max_size=6
)
crons = st.lists(fields, min_size=4, max_size=8).map(lambda each: f"cron({' '.join(each)})")
rates = st.builds(
    "rate({} {})".format,
    st.integers(-5, 10**240) | st.sampled_from(["", "1.5", "٣"]),
    st.sampled_from(["minute", "minutes", "hours", "day", "days", "weeks", "seconds", ""]),
)
ats = st.text("0123456789-:TZ+", max_size=25).map("at({})".format) | st.datetimes().map(
    lambda time: f"at({time.isoformat(timespec='seconds')})"
)
expressions = crons | rates | ats | st.text() | st.text("cron(rate)at 0123*?", max_size=30)
zones = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo"])
bounds = st.none() | st.integers(NOW - YEAR, NOW + YEAR) | st.floats(NOW - 1e3, NOW + 1e7)


@settings(max_examples=150)
@given(text=expressions)
def test_any_expression_is_read_or_refused_with_one_that_passes(text: str) -> None:
    with suppress(InvalidRequest):
        refuse_unclear(expression := parse(text))
        assert parse(expression.text).text == expression.text
        return
    with pytest.raises(InvalidRequest) as caught:
        refuse_unclear(parse(text))
    assert caught.value.field == "expression"
    for advised in re.findall(r"(?:cron|rate|at)\([^)…]+\)", caught.value.suggestion):
        refuse_unclear(parse(advised))


@settings(max_examples=100)
@given(name=st.text() | st.text("EuropBlin/._-+\0 ", max_size=20))
def test_any_name_is_a_zone_or_refused(name: str) -> None:
    with suppress(InvalidRequest):
        assert zone_of(name).key == name


@settings(max_examples=100, deadline=None)
@given(expression=expressions, zone=zones | st.text(max_size=9), start_at=bounds, end_at=bounds)
def test_any_schedule_runs_or_is_refused_quickly(
    expression: str, zone: str, start_at: float | None, end_at: float | None
) -> None:
    timetable = Timetable(expression, zone, start_at, end_at)
    begin = perf_counter()
    with suppress(InvalidRequest):
        check(timetable, NOW)
        assert timetable.after(NOW, 1)
        assert len(notes(timetable, NOW)) <= 3
    assert perf_counter() - begin < LONGEST_SECONDS


VALID = [
    "cron(*/7 * * * ? *)",
    "cron(30 2 * * ? *)",
    "cron(0 0 L * ? *)",
    "cron(15 1-3 ? * SUN *)",
    "cron(0 12 29 2 ? *)",
    "rate(1 minute)",
    "rate(7 hours)",
    "rate(3 days)",
]


@settings(max_examples=100)
@given(
    expression=st.sampled_from(VALID),
    zone=zones,
    start_at=bounds,
    end_at=bounds,
    moment=st.floats(NOW - YEAR, NOW + YEAR),
)
def test_runs_are_in_order_after_the_moment_and_within_the_bounds(
    expression: str, zone: str, start_at: float | None, end_at: float | None, moment: float
) -> None:
    timetable = Timetable(expression, zone, start_at, end_at)
    runs = timetable.after(moment)
    assert all(one < other for one, other in zip([moment, *runs], runs, strict=False))
    assert all(start_at is None or start_at <= run for run in runs)
    assert all(end_at is None or run <= end_at for run in runs)
    for index, run in enumerate(runs):
        assert timetable.after(run, 4 - index) == runs[index + 1 :]

"""A schedule that would not run as its writer thinks is refused before it is written."""

import re
from datetime import datetime

import pytest

from chalicelib.errors import InvalidRequest
from chalicelib.services.schedules.checks import check
from chalicelib.services.schedules.next_runs import Timetable

NOW = datetime.fromisoformat("2027-01-01T00:00:00Z").timestamp()
DAY = 86_400
DAILY = "cron(0 7 * * ? *)"
ONCE = "at(2027-06-01T13:00:00)"


def refused(timetable: Timetable, now: float = NOW) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        check(timetable, now)
    return caught.value


@pytest.mark.parametrize(
    ("text", "reason", "fix"),
    [
        ("cron(0 7 30 2 ? *)", "day-of-month: no month", "cron(0 7 L 2 ? *)"),
        ("cron(0 7 30 2 ? 2020)", "day-of-month: no month", "cron(0 7 L 2 ? *)"),
        ("cron(0 7 29 2 ? 2027)", "day-of-month: no month", "cron(0 7 L 2 ? 2027)"),
        ("cron(0 7 ? 2 1#5 2027)", "day-of-week: no month", "cron(0 7 ? 2 1L 2027)"),
        ("cron(30 2 ? 3 1L *)", "hours: the clock", "cron(30 3 ? 3 1L *)"),
        ("cron(* 2 ? 3 1L *)", "hours: the clock", "cron(* 3 ? 3 1L *)"),
        ("cron(30 2 28 3 ? 2027)", "hours: the clock", "cron(30 3 28 3 ? 2027)"),
        ("cron(30 2 * * ? 2026)", "year: all times are over", "cron(30 2 * * ? *)"),
        ("cron(0 7 * * ? 2026)", "year: all times are over", "cron(0 7 * * ? *)"),
        ("at(2026-06-01T13:00:00)", "is over", "at(2027-01-02T01:00:00)"),
        ("at(2027-03-28T02:30:00)", "the clock skips", "at(2027-03-28T03:00:00)"),
        ("cron(0 7 L-3 * ? *)", "day-of-month: AWS", "cron(0 7 L * ? *)"),
        ("cron(0 7 * * *)", "six fields", "cron(0 7 * * ? *)"),
    ],
)
def test_an_expression_without_runs_is_refused_with_one_that_runs(
    text: str, reason: str, fix: str
) -> None:
    error = refused(Timetable(text, "Europe/Berlin"))
    assert error.field == "expression"
    assert reason in str(error)
    assert re.findall(r"(?:cron|at)\([^)]*\)", error.suggestion) == [fix]
    check(Timetable(fix, "Europe/Berlin"), NOW)


def test_a_time_whose_second_pass_is_now_is_over() -> None:
    now = datetime.fromisoformat("2027-10-31T01:15:00Z").timestamp()
    error = refused(Timetable("cron(30 2 31 10 ? 2027)", "Europe/Berlin"), now)
    assert "all times are over" in str(error)


@pytest.mark.parametrize(
    ("timetable", "field"),
    [
        (Timetable(ONCE, start_at=NOW), "start_at"),
        (Timetable(ONCE, end_at=NOW + DAY), "end_at"),
        (Timetable(DAILY, start_at=NOW + DAY, end_at=NOW + DAY), "end_at"),
        (Timetable(DAILY, start_at=NOW + DAY, end_at=NOW), "end_at"),
        (Timetable(DAILY, end_at=NOW + 7 * 3600 - 1), "end_at"),
        (Timetable("rate(1 day)", start_at=NOW - 1, end_at=NOW + 3600), "end_at"),
        (Timetable("cron(0 7 * * ? 2027)", start_at=NOW + 400 * DAY), "start_at"),
        (Timetable(DAILY, start_at=1e300), "start_at"),
        (Timetable("rate(1 day)"), "start_at"),
        (Timetable(f"rate({'9' * 240} days)", start_at=NOW - 1), "expression"),
        (Timetable(DAILY, "PST"), "timezone"),
    ],
)
def test_a_refusal_names_the_field_to_change(timetable: Timetable, field: str) -> None:
    error = refused(timetable)
    assert error.field == field
    assert error.suggestion


@pytest.mark.parametrize("end_at", [NOW - 1, NOW])
def test_end_at_must_be_after_start_at(end_at: float) -> None:
    error = refused(Timetable("cron(* * * * ? *)", start_at=NOW, end_at=end_at), NOW - DAY)
    assert (error.field, str(error)) == ("end_at", "end_at must be after start_at")


def test_end_at_may_be_the_first_run() -> None:
    first = NOW + 7 * 3600
    check(Timetable(DAILY, end_at=first), NOW)
    error = refused(Timetable(DAILY, end_at=first - 1))
    assert "2027-01-01T07:00:00Z" in error.suggestion


@pytest.mark.parametrize(
    "timetable",
    [
        Timetable(DAILY, "Europe/Berlin", NOW, NOW + 2 * DAY),
        Timetable(ONCE, "America/New_York"),
        Timetable("at(2027-10-31T02:30:00)", "Europe/Berlin"),
        Timetable("rate(1 day)", start_at=NOW - 1),
        Timetable(f"rate({'9' * 240} days)", start_at=NOW + 1),
        Timetable("cron(0 12 ? 2 1#5 *)"),
    ],
)
def test_a_schedule_that_runs_passes(timetable: Timetable) -> None:
    check(timetable, NOW)

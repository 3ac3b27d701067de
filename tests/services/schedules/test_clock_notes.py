"""The notes say what the next clock changes do to the runs."""

from datetime import datetime

import pytest

from chalicelib.services.schedules.clock_changes import notes
from chalicelib.services.schedules.next_runs import Timetable

DAY = 86_400


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


NOW = seconds("2027-01-01T00:00:00Z")
NIGHTLY = "cron(30 2 * * ? *)"
QUARTERS = "cron(*/15 * * * ? *)"
SPRING = "No run at 02:30 on 2027-03-28: the clock skips this time in Europe/Berlin"
AUTUMN = "02:30 on 2027-10-31 happens twice in Europe/Berlin: the run is at the first"


def test_a_nightly_run_is_skipped_in_spring_and_once_in_autumn() -> None:
    assert notes(Timetable(NIGHTLY, "Europe/Berlin"), NOW) == [SPRING, AUTUMN]


@pytest.mark.parametrize(
    ("start_at", "end_at", "expected"),
    [
        (None, "2027-03-28T00:00:00Z", []),
        (None, "2027-03-29T00:00:00Z", [SPRING]),
        ("2027-04-01T00:00:00Z", None, [AUTUMN]),
        ("2027-10-31T00:30:00Z", None, [AUTUMN]),
        ("2027-10-31T00:31:00Z", None, []),
        ("2027-04-01T00:00:00Z", "2027-10-31T00:29:00Z", []),
    ],
)
def test_a_change_when_the_schedule_does_not_run_has_no_note(
    start_at: str | None, end_at: str | None, expected: list[str]
) -> None:
    bounds = (each and seconds(each) for each in (start_at, end_at))
    assert notes(Timetable(NIGHTLY, "Europe/Berlin", *bounds), NOW) == expected  # type: ignore[arg-type]


def test_a_repeated_time_whose_run_is_over_has_no_note() -> None:
    now = seconds("2027-10-31T00:45:00Z")
    assert AUTUMN not in notes(Timetable(NIGHTLY, "Europe/Berlin"), now)


@pytest.mark.parametrize("expression", [QUARTERS, "cron(0 * * * ? *)", "cron(* * * * ? *)"])
def test_runs_within_the_repeated_hour_may_pause(expression: str) -> None:
    _, autumn = notes(Timetable(expression, "Europe/Berlin"), NOW)
    assert autumn.startswith("02:00 to 03:00 on 2027-10-31 happens twice in Europe/Berlin")
    assert "AWS does not document" in autumn
    assert "pause for an hour; use the timezone UTC or a rate" in autumn


def test_many_skipped_times_have_one_note() -> None:
    spring, _ = notes(Timetable(QUARTERS, "Europe/Berlin"), NOW)
    assert spring.startswith("No run from 02:00 to 02:45 on 2027-03-28: ")


def test_a_run_at_another_time_has_no_note() -> None:
    assert notes(Timetable("cron(0 7 * * ? *)", "Europe/Berlin"), NOW) == []
    assert notes(Timetable("cron(30 2 1 1 ? *)", "Europe/Berlin"), NOW) == []


def test_lord_howe_changes_by_half_an_hour() -> None:
    autumn, spring = notes(Timetable(QUARTERS, "Australia/Lord_Howe"), NOW)
    assert autumn.startswith("01:30 to 02:00 on 2027-04-04 happens twice")
    assert "pause for 30 minutes" in autumn
    assert spring.startswith("No run from 02:00 to 02:15 on 2027-10-03")
    (once,) = notes(Timetable("cron(45 1 * * ? *)", "Australia/Lord_Howe"), NOW)
    assert once.startswith("01:45 on 2027-04-04 happens twice")


@pytest.mark.parametrize(
    ("zone", "day"), [("Africa/Cairo", "2027-04-30"), ("America/Santiago", "2027-09-05")]
)
def test_a_change_at_midnight_is_on_the_day_of_the_wall_time(zone: str, day: str) -> None:
    (note,) = notes(Timetable("cron(0 0 * * ? *)", zone), NOW)
    assert note == f"No run at 00:00 on {day}: the clock skips this time in {zone}"


def test_chatham_changes_at_a_quarter_to() -> None:
    assert notes(Timetable("cron(44 2,3 * * ? *)", "Pacific/Chatham"), NOW) == [
        "02:45 to 03:45 on 2027-04-04 happens twice in Pacific/Chatham: AWS does not document what "
        "it does the second time, and runs may pause for an hour; use the timezone UTC or a rate "
        "if they must not",
        "No run at 03:44 on 2027-09-26: the clock skips this time in Pacific/Chatham",
    ]


@pytest.mark.parametrize("expression", [NIGHTLY, QUARTERS, "rate(1 day)"])
@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC"])
def test_utc_has_no_notes(expression: str, zone: str) -> None:
    assert notes(Timetable(expression, zone, start_at=NOW), NOW) == []


def test_a_zone_without_changes_has_no_notes() -> None:
    assert notes(Timetable(QUARTERS, "Asia/Kolkata"), NOW) == []


def test_the_zone_has_no_effect_on_a_rate() -> None:
    text = "The timezone Asia/Kolkata has no effect on a rate"
    assert notes(Timetable("rate(5 minutes)", "Asia/Kolkata", NOW), NOW) == [text]


def test_the_local_time_of_a_rate_shifts() -> None:
    (note,) = notes(Timetable("rate(1 day)", "Europe/Berlin", NOW), NOW)
    assert note.startswith("The timezone Europe/Berlin has no effect on a rate: the local time")
    assert note.endswith("next on 2027-03-28")
    (note,) = notes(Timetable("rate(1 day)", "Europe/Berlin", NOW, NOW + DAY), NOW)
    assert "local time" not in note


def test_at_a_repeated_time_at_runs_the_first_time() -> None:
    (note,) = notes(Timetable("at(2027-10-31T02:30:00)", "Europe/Berlin"), NOW)
    assert note.startswith("02:30 on 2027-10-31 happens twice in Europe/Berlin: the run is at")
    assert notes(Timetable("at(2027-10-31T03:00:00)", "Europe/Berlin"), NOW) == []


def test_there_are_at_most_three_notes() -> None:
    morocco = notes(Timetable(QUARTERS, "Africa/Casablanca"), seconds("2027-01-15T00:00:00Z"))
    assert 1 <= len(morocco) <= 3

"""The runs of each row of a table that two other programs agree on."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chalicelib.services.schedules.next_runs import Timetable

ROWS = json.loads((Path(__file__).parent / "next_runs.json").read_text())["rows"]


def seconds(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


def text_of(run: float) -> str:
    return datetime.fromtimestamp(run, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['expression']} {row['timezone']}")
def test_the_runs_are_those_of_the_table(row: dict[str, Any]) -> None:
    start_at, end_at = seconds(row.get("start_at")), seconds(row.get("end_at"))
    timetable = Timetable(row["expression"], row["timezone"], start_at, end_at)
    runs = timetable.after(seconds(row["start"]) or 0)
    assert [text_of(run) for run in runs] == row["next"]


def test_a_start_in_the_second_pass_of_a_repeated_hour_has_no_run_of_the_first() -> None:
    start_at, end_at = seconds("2027-10-31T01:15:00Z"), seconds("2027-10-31T03:00:00Z")
    timetable = Timetable("cron(*/30 * * * ? *)", "Europe/Berlin", start_at, end_at)
    runs = timetable.after(seconds("2027-10-30T00:00:00Z") or 0)
    assert [text_of(run) for run in runs] == [
        "2027-10-31T02:00:00Z",
        "2027-10-31T02:30:00Z",
        "2027-10-31T03:00:00Z",
    ]


def test_a_rate_without_a_start_has_no_runs() -> None:
    assert Timetable("rate(1 minute)").after(0) == []


def test_no_run_is_after_2199() -> None:
    last = seconds("2199-12-31T23:58:00Z") or 0
    assert len(Timetable("cron(* * * * ? *)").after(last)) == 1
    assert len(Timetable("rate(1 minute)", start_at=last).after(last)) == 1
    assert Timetable(f"rate({'9' * 240} days)", start_at=0.5).after(1) == []
    assert Timetable("cron(* * * * ? *)", start_at=1e300).after(-1e300) == []


def test_the_table_is_complete() -> None:
    assert len(ROWS) == 103

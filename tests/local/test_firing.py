"""Which scheduled times the emulated Scheduler fires, with passed-in times."""

from datetime import datetime
from typing import Any

import pytest

from local.stack.firing import LAST_FIRED, Record, due, failure, filled, is_complete, iso

ARN = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/nightly"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:runs"


def at(time: str) -> float:
    """Return the seconds since the epoch of a time in UTC on 1 March 2027."""
    return datetime.fromisoformat(f"2027-03-01T{time}+00:00").timestamp()


def schedule(expression: str, changed: str = "08:00:00", **fields: Any) -> Record:
    defaults = {"State": "ENABLED", "ActionAfterCompletion": "NONE", "Target": {"Arn": QUEUE}}
    dates = {"StartDate": None, "EndDate": None, "LastModificationDate": at(changed)}
    when = {"ScheduleExpression": expression, "ScheduleExpressionTimezone": "UTC"}
    return {"Arn": ARN, **when, **defaults, **dates, **fields}


def times(record: Record, now: str) -> list[str]:
    return [iso(time)[11:-1] for time in due(record, at(now))]


NOON = "cron(0 12 * * ? *)"


@pytest.mark.parametrize("expression", [NOON, "at(2027-03-01T12:00:00)"])
def test_a_time_is_due_once_it_has_come(expression: str) -> None:
    assert times(schedule(expression), "11:59:59") == []
    assert times(schedule(expression), "12:00:00") == ["12:00:00"]
    assert times(schedule(expression), "12:00:59") == ["12:00:00"]


@pytest.mark.parametrize("expression", [NOON, "at(2027-03-01T12:00:00)"])
def test_a_time_is_fired_once(expression: str) -> None:
    record = schedule(expression, **{LAST_FIRED: at("12:00:00")})
    assert times(record, "12:00:01") == []


@pytest.mark.parametrize("expression", [NOON, "at(2027-03-01T12:00:00)"])
def test_a_time_is_in_the_zone_of_the_schedule(expression: str) -> None:
    record = schedule(expression, ScheduleExpressionTimezone="Europe/Berlin")
    assert times(record, "11:00:01") == ["11:00:00"]
    assert times(record, "12:00:01") == []


@pytest.mark.parametrize("expression", [NOON, "at(2027-03-01T12:00:00)"])
def test_a_time_before_the_last_change_is_not_fired(expression: str) -> None:
    assert times(schedule(expression, "12:00:00.2"), "12:00:01") == []
    assert times(schedule(expression, "12:00:00"), "12:00:01") == ["12:00:00"]


def test_a_disabled_schedule_is_not_fired() -> None:
    assert times(schedule(NOON, State="DISABLED"), "12:00:00") == []


def test_times_missed_for_over_a_minute_are_not_fired() -> None:
    record = schedule("rate(1 minute)", StartDate=at("09:00:30"))
    assert times(record, "12:00:00") == ["11:59:30"]
    assert times(schedule(NOON), "12:01:00") == []


def test_a_rate_is_counted_from_its_start() -> None:
    record = schedule("rate(7 minutes)", StartDate=at("07:59:00"))
    assert times(record, "08:05:59") == []
    assert times(record, "08:06:00") == ["08:06:00"]
    assert times({**record, LAST_FIRED: at("08:06:00")}, "08:13:03") == ["08:13:00"]


def test_a_rate_fires_first_at_its_start() -> None:
    record = schedule("rate(7 minutes)", StartDate=at("08:10:00"))
    assert times(record, "08:09:59") == []
    assert times(record, "08:10:00") == ["08:10:00"]


def test_a_rate_without_a_start_fires_at_once_and_then_counts_from_there() -> None:
    record = schedule("rate(7 minutes)", "08:00:00.3")
    assert times(record, "08:00:01") == ["08:00:01"]
    record[LAST_FIRED] = at("08:00:01")
    assert times(record, "08:07:00") == []
    assert times(record, "08:07:01") == ["08:07:01"]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("12:00:00", "12:00:00", ["12:00:00"]),
        ("12:00:01", None, []),
        (None, "11:59:59", []),
    ],
)
def test_start_and_end_are_inclusive(start: str | None, end: str | None, expected: Any) -> None:
    dates = {"StartDate": start and at(start), "EndDate": end and at(end)}
    assert times(schedule(NOON, **dates), "12:00:30") == expected


def test_a_one_time_schedule_ignores_its_dates() -> None:
    record = schedule("at(2027-03-01T12:00:00)", StartDate=at("13:00:00"), EndDate=at("11:00:00"))
    assert times(record, "12:00:00") == ["12:00:00"]


def test_a_one_time_schedule_is_complete_after_its_time() -> None:
    record = schedule("at(2027-03-01T12:00:00)", ActionAfterCompletion="DELETE")
    assert not is_complete(record, at("11:59:59"))
    assert is_complete(record, at("12:00:00"))
    assert not is_complete({**record, "ActionAfterCompletion": "NONE"}, at("12:00:00"))


def test_a_recurring_schedule_is_complete_after_its_end_if_it_has_one() -> None:
    record = schedule(NOON, ActionAfterCompletion="DELETE")
    assert not is_complete(record, at("23:00:00"))
    ending = {**record, "EndDate": at("12:30:00")}
    assert not is_complete(ending, at("12:30:00"))
    assert is_complete(ending, at("12:30:01"))


def test_all_context_attributes_are_replaced() -> None:
    names = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
    text = " ".join(f"<aws.scheduler.{name}>" for name in names)
    expected = f"{ARN} 2027-03-01T12:00:00Z e-1 1"
    assert filled(text, schedule(NOON), at("12:00:00"), "e-1") == expected


def test_a_failed_run_names_its_schedule_and_time() -> None:
    why = failure(schedule(NOON), at("12:00:00"), "e-1", code="Gone", message="It is gone.")
    values = {name: each["StringValue"] for name, each in why.items()}
    assert values == {
        "ERROR_CODE": "Gone",
        "ERROR_MESSAGE": "It is gone.",
        "EXECUTION_ID": "e-1",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "0",
        "SCHEDULED_TIME": "2027-03-01T12:00:00Z",
        "SCHEDULE_ARN": ARN,
        "TARGET_ARN": QUEUE,
    }

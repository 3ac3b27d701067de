"""What the emulated Scheduler checks, as AWS does."""

from typing import Any

import pytest

from local.stack.scheduler_calls import Refused, check, page, record_of

NOW = 1_800_000_000.0
TARGET = {
    "Arn": "arn:aws:sqs:us-east-1:000000000000:runs",
    "RoleArn": "arn:aws:iam::000000000000:role/scheduler",
}
BODY: dict[str, Any] = {
    "ScheduleExpression": "cron(0 12 * * ? *)",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": TARGET,
}


def refusal(name: str = "nightly", **fields: Any) -> str:
    with pytest.raises(Refused) as refused:
        check(name, {**BODY, **fields}, NOW)
    assert (refused.value.status, refused.value.code) == (400, "ValidationException")
    return str(refused.value)


def retry(field: str, value: int) -> dict[str, Any]:
    return {"Target": {**TARGET, "RetryPolicy": {field: value}}}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ScheduleExpression": "cron(every monday)"}, "Invalid Schedule Expression cron(every"),
        ({"ScheduleExpression": "cron(0 12 * * ?)"}, "Invalid Schedule Expression"),
        ({"ScheduleExpression": "rate(0 minutes)"}, "Invalid Schedule Expression"),
        ({"ScheduleExpression": "at(tomorrow)"}, "Invalid Schedule Expression"),
        ({"ScheduleExpression": "x" * 257}, "length less than or equal to 256"),
        ({"ScheduleExpression": None}, "Value null at 'scheduleExpression'"),
        ({"ScheduleExpressionTimezone": "Mars/Olympus"}, "Timezone Mars/Olympus"),
        ({"name": "n" * 65}, "Member must have length less than or equal to 64"),
        ({"name": "a@b"}, "Value 'a@b' at 'name' failed to satisfy constraint"),
        ({"GroupName": "a/b"}, "Value 'a/b' at 'groupName' failed to satisfy constraint"),
        ({"FlexibleTimeWindow": None}, "Value null at 'flexibleTimeWindow'"),
        ({"FlexibleTimeWindow": {"Mode": "NONE"}}, "'flexibleTimeWindow.mode'"),
        ({"Target": None}, "Value null at 'target'"),
        ({"Target": {"Arn": TARGET["Arn"]}}, "Value null at 'target.roleArn'"),
        ({"StartDate": NOW - 301}, "StartDate you specify cannot be earlier than 5 minutes ago"),
        ({"StartDate": NOW + 9, "EndDate": NOW + 8}, "EndDate"),
        ({"State": "PAUSED"}, "enum value set: [ENABLED, DISABLED]"),
        ({"ActionAfterCompletion": "STOP"}, "enum value set: [NONE, DELETE]"),
        ({"Description": "d" * 513}, "length less than or equal to 512"),
        (retry("MaximumEventAgeInSeconds", 59), "greater than or equal to 60"),
        (retry("MaximumEventAgeInSeconds", 86_401), "less than or equal to 86400"),
        (retry("MaximumRetryAttempts", -1), "'target.retryPolicy.maximumRetryAttempts'"),
        (retry("MaximumRetryAttempts", 186), "less than or equal to 185"),
    ],
)
def test_what_aws_refuses_is_refused(fields: dict[str, Any], message: str) -> None:
    assert message in refusal(**fields)


def test_all_violations_are_in_one_message() -> None:
    assert refusal("a b", State="PAUSED").startswith("2 validation errors detected: Value 'a b' at")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"StartDate": NOW - 300, "EndDate": NOW - 300},
        {"ScheduleExpressionTimezone": "Asia/Kathmandu"},
        retry("MaximumEventAgeInSeconds", 60),
        retry("MaximumRetryAttempts", 0),
    ],
)
def test_what_aws_accepts_is_accepted(fields: dict[str, Any]) -> None:
    check("n" * 64, {**BODY, **fields}, NOW)


def test_what_is_left_out_has_its_default() -> None:
    record = record_of(BODY)
    assert record["ScheduleExpressionTimezone"] == "UTC"
    assert (record["GroupName"], record["State"]) == ("default", "ENABLED")
    policy = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
    assert record["Target"] == {**TARGET, "RetryPolicy": policy}


def test_pages_show_every_name_once_though_some_are_deleted_in_between() -> None:
    names = [f"g/{number:03}" for number in range(250)]
    first, token = page(names, "100", None)
    second, token = page(names[100:], "100", token)
    third, token = page(names[150:], "100", token)
    assert [*first, *second, *third] == names
    assert token is None


@pytest.mark.parametrize(("size", "token"), [("0", None), ("101", None), ("x", None), ("9", "?")])
def test_an_invalid_page_is_refused(size: str, token: str | None) -> None:
    with pytest.raises(Refused):
        page(["a", "b"], size, token)

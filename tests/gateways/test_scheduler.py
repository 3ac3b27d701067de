"""The gateway to EventBridge Scheduler: what it sends, and what it makes of errors."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from chalicelib.gateways.scheduler import Route, Scheduler
from chalicelib.signals import ScheduleRefused, SchedulerUnavailable
from tests.services.schedules import in_aws

ROUTE = Route(
    "schedules",
    "arn:aws:iam::123456789012:role/scheduler",
    "arn:aws:sqs:us-east-1:123456789012:runs",
    "arn:aws:sqs:us-east-1:123456789012:undelivered-runs",
)
INVALID = "ValidationException"
PATTERN = "failed to satisfy constraint: Member must satisfy regular expression pattern"
DAILY: dict[str, Any] = {
    "expression": "cron(0 7 * * ? *)",
    "timezone": "Europe/Berlin",
    "is_enabled": True,
    "start_at": None,
    "end_at": None,
    "retry_seconds": 3600,
    "token": "t",
    "is_new": True,
}


@pytest.fixture
def scheduler(aws: None) -> Scheduler:
    return Scheduler(boto3.client("scheduler"), ROUTE)


def stored(name: str) -> dict[str, Any]:
    client = boto3.client("scheduler")
    found: dict[str, Any] = client.get_schedule(GroupName="schedules", Name=name)
    return found


@pytest.mark.parametrize("thought", ["new", "there"])
@pytest.mark.parametrize("state", ["new", "there"])
def test_a_schedule_is_put_whether_it_is_thought_to_be_new_or_not(
    scheduler: Scheduler, thought: str, state: str
) -> None:
    if state == "there":
        in_aws.put("one")
    scheduler.put("one", **{**DAILY, "is_new": thought == "new"})
    assert stored("one")["ScheduleExpression"] == "cron(0 7 * * ? *)"


def test_a_schedule_that_is_put_again_loses_what_is_left_out(scheduler: Scheduler) -> None:
    scheduler.put("one", **{**DAILY, "start_at": 4e9, "end_at": 5e9})
    assert stored("one")["StartDate"].timestamp() == 4e9
    scheduler.put("one", **{**DAILY, "is_new": False, "is_enabled": False})
    again = stored("one")
    assert again["State"] == "DISABLED"
    assert not again.keys() & {"StartDate", "EndDate"}


def test_deleting_may_be_repeated(scheduler: Scheduler) -> None:
    scheduler.put("one", **DAILY)
    for _ in range(2):
        scheduler.delete("one")
    assert in_aws.ids() == set()


def test_all_pages_are_listed(scheduler: Scheduler) -> None:
    names = {f"s{number}" for number in range(130)}
    for name in names:
        in_aws.put(name, age_seconds=60)
    listed = dict(scheduler.ids())
    assert listed.keys() == names
    assert all(isinstance(created_at, float) for created_at in listed.values())


def put(scheduler: Scheduler) -> None:
    scheduler.put("one", **DAILY)


def delete(scheduler: Scheduler) -> None:
    scheduler.delete("one")


def listed(scheduler: Scheduler) -> None:
    list(scheduler.ids())


@pytest.mark.parametrize(
    ("operation", "act", "code", "message", "expected"),
    [
        ("create_schedule", put, INVALID, "Invalid Schedule Expression x", ScheduleRefused),
        ("create_schedule", put, INVALID, "Invalid ScheduleExpressionTimezone", ScheduleRefused),
        ("create_schedule", put, INVALID, "The role you provide must", SchedulerUnavailable),
        ("create_schedule", put, INVALID, f"'target.roleArn' {PATTERN}", SchedulerUnavailable),
        ("create_schedule", put, "ThrottlingException", "", SchedulerUnavailable),
        ("create_schedule", put, "ServiceQuotaExceededException", "", SchedulerUnavailable),
        ("delete_schedule", delete, "AccessDeniedException", "", SchedulerUnavailable),
        ("list_schedules", listed, "InternalServerException", "", SchedulerUnavailable),
    ],
)
def test_errors_are_translated(
    operation: str,
    act: Callable[[Scheduler], None],
    code: str,
    message: str,
    expected: type[Exception],
) -> None:
    client = boto3.client("scheduler", config=Config(retries={"total_max_attempts": 1}))
    with Stubber(client) as stub:
        stub.add_client_error(operation, code, message)
        with pytest.raises(expected):
            act(Scheduler(client, ROUTE))


def test_a_scheduler_that_does_not_answer_is_unavailable() -> None:
    patience = Config(connect_timeout=0.1, retries={"total_max_attempts": 1})
    client = boto3.client("scheduler", endpoint_url="http://127.0.0.1:9", config=patience)
    for act in (put, delete, listed):
        with pytest.raises(SchedulerUnavailable):
            act(Scheduler(client, ROUTE))

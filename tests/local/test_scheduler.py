"""EventBridge Scheduler as the emulator has it: calls by boto3, and messages in queues."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError

from local.stack.emulator import Emulator
from local.stack.processes import wait_until

ROLE = "arn:aws:iam::000000000000:role/scheduler"
NO_QUEUE = "arn:aws:sqs:us-east-1:000000000000:missing"
RUN_SECONDS = 8
YEARLY = "cron(0 12 1 1 ? *)"


class Stage:
    """A running emulator, with what tests do on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.start()

    def start(self) -> None:
        self.emulator = Emulator(self.directory, port=0)
        self.scheduler = self.emulator.client("scheduler")
        self.sqs = self.emulator.client("sqs")

    def queue(self, name: str) -> str:
        """Create a queue and return its ARN."""
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(attributes["Attributes"]["QueueArn"])

    def create(self, name: str, expression: str = YEARLY, **fields: Any) -> str:
        return str(
            self.scheduler.create_schedule(**body(name, expression, **fields))["ScheduleArn"]
        )

    def update(self, name: str, expression: str = YEARLY, **fields: Any) -> None:
        self.scheduler.update_schedule(**body(name, expression, **fields))

    def get(self, name: str) -> dict[str, Any]:
        schedule: dict[str, Any] = self.scheduler.get_schedule(Name=name)
        return schedule

    def names(self, **filters: Any) -> list[str]:
        pages = self.scheduler.get_paginator("list_schedules").paginate(**filters)
        return [each["Name"] for page in pages for each in page["Schedules"]]

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Return the messages that wait in a queue, and remove them."""
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        answer = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        for message in found:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def message(self, queue: str) -> dict[str, Any]:
        """Wait for a run and return its message, which must be the only one."""
        found: list[dict[str, Any]] = []

        def has_come() -> bool:
            found.extend(self.messages(queue))
            return bool(found)

        wait_until(has_come, f"a message in {queue}", seconds=RUN_SECONDS)
        (message,) = found
        return message


def body(name: str, expression: str, **fields: Any) -> dict[str, Any]:
    target = {"Arn": NO_QUEUE, "RoleArn": ROLE, **fields.pop("Target", {})}
    window = {"FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target}
    return {"Name": name, "ScheduleExpression": expression, **window, **fields}


def soon() -> datetime:
    """Return the second after the next one: the next may be over when the schedule is made."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)


def once(moment: datetime) -> str:
    return f"at({moment:%Y-%m-%dT%H:%M:%S})"


def iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("scheduler") / "emulator")
    yield stage
    stage.emulator.stop()


def test_a_time_in_a_zone_arrives_with_its_context_and_its_schedule_is_deleted(
    stage: Stage,
) -> None:
    names = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
    template = json.dumps({name: f"<aws.scheduler.{name}>" for name in names})
    target = {"Arn": stage.queue("zoned"), "Input": template}
    moment = soon()
    arn = stage.create(
        "in-kathmandu",
        once(moment.astimezone(ZoneInfo("Asia/Kathmandu"))),
        ScheduleExpressionTimezone="Asia/Kathmandu",
        ActionAfterCompletion="DELETE",
        Target=target,
    )
    got = json.loads(stage.message("zoned")["Body"])
    assert got.pop("execution-id")
    assert got == {"schedule-arn": arn, "scheduled-time": iso(moment), "attempt-number": "1"}
    wait_until(lambda: "in-kathmandu" not in stage.names(), "its deletion", seconds=2)


def test_a_rate_keeps_the_phase_of_its_start(stage: Stage) -> None:
    target = {"Arn": stage.queue("phased"), "Input": "<aws.scheduler.scheduled-time>"}
    start = soon() - timedelta(seconds=60)
    stage.create("phased", "rate(1 minute)", StartDate=start, Target=target)
    assert stage.message("phased")["Body"] == iso(start + timedelta(seconds=60))


def test_a_new_schedule_of_a_deleted_name_fires(stage: Stage) -> None:
    target = {"Arn": stage.queue("again"), "Input": "<aws.scheduler.scheduled-time>"}
    for _ in range(2):
        moment = soon()
        stage.create("again", once(moment), Target=target)
        assert stage.message("again")["Body"] == iso(moment)
        stage.scheduler.delete_schedule(Name="again")


def test_a_run_that_cannot_be_delivered_is_in_the_dead_letter_queue(stage: Stage) -> None:
    letters = {"DeadLetterConfig": {"Arn": stage.queue("letters")}}
    moment = soon()
    arn = stage.create("lost", once(moment), Target={"Input": "work", **letters})
    message = stage.message("letters")
    attributes = message["MessageAttributes"]
    assert message["Body"] == "work"
    assert {each["DataType"] for each in attributes.values()} == {"String"}
    values = {name: each["StringValue"] for name, each in attributes.items()}
    assert values.pop("EXECUTION_ID")
    assert values == {
        "ERROR_CODE": "AWS.SimpleQueueService.NonExistentQueue",
        "ERROR_MESSAGE": "The specified queue does not exist.",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "0",
        "SCHEDULED_TIME": iso(moment),
        "SCHEDULE_ARN": arn,
        "TARGET_ARN": NO_QUEUE,
    }


def test_all_pages_together_list_every_schedule(stage: Stage) -> None:
    stage.scheduler.create_schedule_group(Name="many")
    made = {f"many-{number}" for number in range(130)}
    for name in made:
        stage.create(name, GroupName="many", State="DISABLED")
    listed = stage.names(GroupName="many")
    assert set(listed) == made
    assert len(listed) == 130
    assert len(stage.scheduler.list_schedules(GroupName="many")["Schedules"]) == 100
    assert sorted(stage.names(NamePrefix="many-12", State="DISABLED")) == [
        "many-12",
        *(f"many-12{number}" for number in range(10)),
    ]
    assert stage.names(GroupName="many", State="ENABLED") == []
    stage.scheduler.delete_schedule_group(Name="many")


@pytest.mark.parametrize(
    ("name", "fields", "error", "status"),
    [
        ("invalid", {"expression": "cron(every monday)"}, "ValidationException", 400),
        ("a@b", {}, "ValidationException", 400),
        ("a b", {}, "ValidationException", 400),
        ("n" * 65, {}, "ValidationException", 400),
        ("stray", {"GroupName": "missing"}, "ResourceNotFoundException", 404),
    ],
)
def test_a_refused_schedule_is_not_created(
    stage: Stage, name: str, fields: dict[str, Any], error: str, status: int
) -> None:
    with pytest.raises(ClientError) as refused:
        stage.create(name, **fields)
    assert refused.value.response["Error"]["Code"] == error
    assert refused.value.response["Error"]["Message"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert name not in stage.names()


def test_a_create_with_the_same_token_and_parameters_is_answered_as_before(stage: Stage) -> None:
    arn = stage.create("repeated", ClientToken="t-1")
    assert stage.create("repeated", ClientToken="t-1") == arn
    for other in ({"ClientToken": "t-2"}, {"ClientToken": "t-1", "Description": "new"}):
        with pytest.raises(stage.scheduler.exceptions.ConflictException):
            stage.create("repeated", **other)


def test_an_update_resets_what_it_leaves_out(stage: Stage) -> None:
    start = datetime.now(UTC) + timedelta(hours=1)
    fields = {"State": "DISABLED", "Description": "d", "StartDate": start}
    zone = {"ScheduleExpressionTimezone": "Europe/Berlin", "ActionAfterCompletion": "DELETE"}
    stage.create("changed", **fields, **zone)
    before = stage.get("changed")
    stage.update("changed", "rate(2 days)")
    after = stage.get("changed")
    assert after["ScheduleExpression"] == "rate(2 days)"
    assert (after["State"], after["ScheduleExpressionTimezone"]) == ("ENABLED", "UTC")
    assert after["ActionAfterCompletion"] == "NONE"
    assert not after.keys() & {"Description", "StartDate", "EndDate"}
    assert after["CreationDate"] == before["CreationDate"]
    assert after["LastModificationDate"] > before["LastModificationDate"]


def test_a_missing_schedule_is_not_found(stage: Stage) -> None:
    missing = stage.scheduler.exceptions.ResourceNotFoundException
    for call in (stage.update, stage.get):
        with pytest.raises(missing):
            call("missing")
    with pytest.raises(missing):
        stage.scheduler.list_schedules(GroupName="missing")


def group_template(**properties: Any) -> str:
    group = {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": properties}
    shown = {"Name": {"Ref": "Group"}, "Arn": {"Fn::GetAtt": ["Group", "Arn"]}}
    values = {name: {"Value": value} for name, value in shown.items()}
    return json.dumps({"Resources": {"Group": group}, "Outputs": values})


def outputs(stack: Any, name: str) -> dict[str, str]:
    (found,) = stack.describe_stacks(StackName=name)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}


def test_a_stack_creates_updates_and_deletes_a_group(stage: Stage) -> None:
    stacks = stage.emulator.client("cloudformation")
    stacks.create_stack(StackName="grouped", TemplateBody=group_template())
    stacks.get_waiter("stack_create_complete").wait(StackName="grouped", WaiterConfig={"Delay": 1})
    made = outputs(stacks, "grouped")
    assert stage.scheduler.get_schedule_group(Name=made["Name"])["Arn"] == made["Arn"]
    stage.create("kept", GroupName=made["Name"])
    tagged = group_template(Tags=[{"Key": "owner", "Value": "darkroom"}])
    stacks.update_stack(StackName="grouped", TemplateBody=tagged)
    stacks.get_waiter("stack_update_complete").wait(StackName="grouped", WaiterConfig={"Delay": 1})
    assert outputs(stacks, "grouped") == made
    assert stage.names(GroupName=made["Name"]) == ["kept"]
    stacks.delete_stack(StackName="grouped")
    stacks.get_waiter("stack_delete_complete").wait(StackName="grouped", WaiterConfig={"Delay": 1})
    with pytest.raises(stage.scheduler.exceptions.ResourceNotFoundException):
        stage.scheduler.get_schedule_group(Name=made["Name"])


def spoil(state: Path, name: str) -> None:
    """Make the saved record of a schedule unreadable to Scheduler."""
    file = state / "scheduler.json"
    saved = file.read_text()
    assert f'"{name}"' in saved
    file.write_text(saved.replace("cron(59 23 31 12 ? *)", "cron(nonsense)"))


def test_after_a_restart_a_fired_schedule_stays_fired_and_a_bad_one_stops_no_other(
    stage: Stage,
) -> None:
    fired, later = stage.queue("fired"), stage.queue("later")
    stage.create("fired", once(soon()), Target={"Arn": fired})
    stage.create("bad", "cron(59 23 31 12 ? *)")
    stage.message("fired")
    stage.emulator.stop()
    spoil(stage.directory / "state", "bad")
    stage.start()
    stage.create("later", once(soon()), Target={"Arn": later})
    stage.message("later")
    assert stage.get("bad")["ScheduleExpression"] == "cron(nonsense)"
    assert stage.messages("fired") == []

"""Failed messages can be sent back to their queue, and raise an alarm."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import moto
import pytest

from infra.failures import CommandFailed
from infra.redrive import redrive
from tests.environment import RESOURCES

BODIES = [f"job-{number}" for number in range(23)]


class Cut(Exception):
    """The process ends in the middle of its work."""


class Sqs:
    """SQS without long polls, which raises `Cut` after so many writes."""

    def __init__(self, sqs: Any, writes: int | None = None) -> None:
        self.sqs, self.writes = sqs, writes

    def receive_message(self, **asked: Any) -> Any:
        assert asked.pop("WaitTimeSeconds") > 0  # a short poll may miss messages
        return self.sqs.receive_message(**asked)

    def send_message(self, **asked: Any) -> None:
        self.count()
        self.sqs.send_message(**asked)

    def delete_message(self, **asked: Any) -> None:
        self.count()
        self.sqs.delete_message(**asked)

    def count(self) -> None:
        if self.writes is not None:
            if not self.writes:
                raise Cut
            self.writes -= 1


class Stack:
    """A deployment and its queues; a message received from a dead one stays visible."""

    def __init__(self) -> None:
        self.sqs = boto3.client("sqs")
        self.jobs = self.sqs.create_queue(QueueName="jobs")["QueueUrl"]
        self.dead = self.sqs.create_queue(QueueName="dead", Attributes={"VisibilityTimeout": "0"})[
            "QueueUrl"
        ]
        self.runs = self.sqs.create_queue(QueueName="runs")["QueueUrl"]
        self.dead_runs = self.sqs.create_queue(
            QueueName="dead-runs", Attributes={"VisibilityTimeout": "0"}
        )["QueueUrl"]
        for body in BODIES:
            self.sqs.send_message(QueueUrl=self.dead, MessageBody=body)

    def describe_stacks(self, **asked: str) -> dict[str, Any]:
        assert asked == {"StackName": "darkroom"}
        urls = {
            "Unrelated": "x",
            "JobsQueueUrl": self.jobs,
            "DeadLetterQueueUrl": self.dead,
            "RunsQueueUrl": self.runs,
            "RunsDeadLetterQueueUrl": self.dead_runs,
        }
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in urls.items()]
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}

    def redrive(self, writes: int | None = None) -> int:
        return redrive("darkroom", self, Sqs(self.sqs, writes))

    def bodies(self, url: str) -> list[str]:
        """Receive and delete all messages of a queue."""
        found: list[str] = []
        while received := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in received:
                found.append(message["Body"])
                handle = message["ReceiptHandle"]
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
        return found


@pytest.fixture
def stack() -> Iterator[Stack]:
    with moto.mock_aws():
        yield Stack()


def test_all_failed_messages_are_sent_back_once(stack: Stack) -> None:
    assert stack.redrive() == len(BODIES)
    assert sorted(stack.bodies(stack.jobs)) == sorted(BODIES)
    assert stack.bodies(stack.dead) == []


def test_without_failed_messages_nothing_is_sent_back(stack: Stack) -> None:
    stack.redrive()
    stack.bodies(stack.jobs)
    assert stack.redrive() == 0
    assert stack.bodies(stack.jobs) == []


@pytest.mark.parametrize("writes", [0, 1, 2, 7, 20, 45])
def test_no_message_is_lost_wherever_a_redrive_is_interrupted(stack: Stack, writes: int) -> None:
    with pytest.raises(Cut):
        stack.redrive(writes)
    stack.redrive()
    counts = Counter(stack.bodies(stack.jobs))
    assert counts.keys() == {*BODIES}
    # A message that was sent and not yet deleted comes twice, which is harmless.
    assert counts.total() - len(BODIES) == writes % 2
    assert stack.bodies(stack.dead) == []


def test_a_run_that_is_sent_back_keeps_the_time_when_it_was_sent_first(stack: Stack) -> None:
    stack.sqs.send_message(QueueUrl=stack.dead_runs, MessageBody="run")
    about: dict[str, Any] = {"AttributeNames": ["SentTimestamp"], "MessageAttributeNames": ["All"]}
    [first] = stack.sqs.receive_message(QueueUrl=stack.dead_runs, **about)["Messages"]
    for _ in range(2):
        stack.redrive()
        [moved] = stack.sqs.receive_message(QueueUrl=stack.runs, **about)["Messages"]
        sent_at = moved["MessageAttributes"]["sent_at"]
        assert (moved["Body"], sent_at["StringValue"]) == (
            "run",
            first["Attributes"]["SentTimestamp"],
        )
        stack.sqs.delete_message(QueueUrl=stack.runs, ReceiptHandle=moved["ReceiptHandle"])
        # It fails again.
        stack.sqs.send_message(
            QueueUrl=stack.dead_runs, MessageBody="run", MessageAttributes={"sent_at": sent_at}
        )


class OtherStack:
    """A stack that is none of Darkroom's."""

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        other = {"OutputKey": "Other", "OutputValue": "x"}
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": [other]}]}


def test_a_stack_that_has_no_queues_is_refused() -> None:
    with pytest.raises(CommandFailed, match="The stack x has no output DeadLetterQueueUrl"):
        redrive("x", OtherStack(), sqs=None)


def properties(name: str) -> Any:
    return RESOURCES["Resources"][name]["Properties"]


@pytest.mark.parametrize("kind", ["", "Runs"])
def test_messages_that_fail_are_moved_to_the_queue_that_is_redriven(kind: str) -> None:
    queue, dead = f"{kind or 'Jobs'}Queue", f"{kind}DeadLetterQueue"
    policy = properties(queue)["RedrivePolicy"]
    assert policy["deadLetterTargetArn"] == {"Fn::GetAtt": [dead, "Arn"]}
    outputs = {name: each["Value"] for name, each in RESOURCES["Outputs"].items()}
    assert outputs[f"{dead}Url"] == {"Ref": dead}
    assert outputs[f"{queue}Url"] == {"Ref": queue}


@pytest.mark.parametrize("kind", ["", "Runs"])
def test_the_first_failed_message_raises_an_alarm(kind: str) -> None:
    alarm = properties(f"{kind}DeadLetterAlarm")
    assert (alarm["Namespace"], alarm["MetricName"]) == (
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
    )
    queue = {"Fn::GetAtt": [f"{kind}DeadLetterQueue", "QueueName"]}
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": queue}]
    assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (1, 1)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert alarm["Statistic"] in ("Maximum", "Sum")
    assert alarm["TreatMissingData"] == "notBreaching"
    [action] = alarm["AlarmActions"]
    assert RESOURCES["Resources"][action["Ref"]]["Type"] == "AWS::SNS::Topic"


def test_a_failed_message_is_kept_for_longer_than_a_week() -> None:
    for name in ("DeadLetterQueue", "RunsDeadLetterQueue", "UndeliveredRunsQueue"):
        assert properties(name)["MessageRetentionPeriod"] > 7 * 86_400

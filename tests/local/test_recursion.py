"""Lambda's recursive loop detection, as the emulator has it for functions that queues invoke."""

import json
from collections.abc import Iterator
from io import BytesIO
from zipfile import ZipFile

import pytest

from local.stack.emulator import Emulator
from local.stack.processes import wait_until

MOST = 16  # runs of one chain
WANTED = 20
SECONDS = 60
# Sends the number of each run to its own queue, and the last one to another.
CODE = f"""
import os
import boto3

def handle(event, context):
    [record] = event["Records"]
    number = int(record["body"])
    to = os.environ["DONE" if number == {WANTED} else "OWN"]
    boto3.client("sqs").send_message(QueueUrl=to, MessageBody=str(number + 1))
"""


class Loop:
    """A function that a queue invokes, and that sends to the same queue."""

    def __init__(self, emulator: Emulator, name: str) -> None:
        self.sqs = emulator.client("sqs")
        self.dead, self.done = (self._queue(f"{name}-{kind}") for kind in ("dead", "done"))
        redrive = {"deadLetterTargetArn": self._arn(self.dead), "maxReceiveCount": 2}
        self.own = self._queue(name, VisibilityTimeout="1", RedrivePolicy=json.dumps(redrive))
        functions = emulator.client("lambda")
        functions.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role="arn:aws:iam::000000000000:role/loop",
            Handler="loop.handle",
            Code={"ZipFile": zipped(CODE)},
            Environment={"Variables": {"OWN": self.own, "DONE": self.done}},
        )
        self.allow = lambda: functions.put_function_recursion_config(
            FunctionName=name, RecursiveLoop="Allow"
        )
        functions.create_event_source_mapping(
            FunctionName=name, EventSourceArn=self._arn(self.own), BatchSize=1
        )

    def begin(self) -> None:
        self.sqs.send_message(QueueUrl=self.own, MessageBody="1")

    def message(self, queue: str) -> str:
        """Wait for a message, and return its body."""
        found: list[str] = []

        def has_come() -> bool:
            answer = self.sqs.receive_message(QueueUrl=queue)
            found.extend(each["Body"] for each in answer.get("Messages", []))
            return bool(found)

        wait_until(has_come, f"a message in {queue}", seconds=SECONDS)
        return found[0]

    def _queue(self, name: str, **attributes: str) -> str:
        return str(self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def _arn(self, queue: str) -> str:
        found = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])


def zipped(code: str) -> bytes:
    made = BytesIO()
    with ZipFile(made, "w") as archive:
        archive.writestr("loop.py", code)
    return made.getvalue()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path_factory.mktemp("recursion") / "emulator", port=0)
    yield emulator
    emulator.stop()


def test_a_function_that_sends_to_its_own_queue_is_cut_off_after_16_runs(
    emulator: Emulator,
) -> None:
    loop = Loop(emulator, "cut-off")
    loop.begin()
    assert loop.message(loop.dead) == str(MOST + 1)


def test_a_function_that_may_call_itself_is_not_cut_off(emulator: Emulator) -> None:
    loop = Loop(emulator, "allowed")
    loop.allow()
    loop.begin()
    assert loop.message(loop.done) == str(WANTED + 1)

"""Move the messages of a deployment's dead-letter queues back to the queues that they came from.

python -m infra.redrive STACK
"""

import sys
from collections.abc import Iterator
from typing import Any

from infra.aws import connect, run
from infra.deployed import deployed

_BATCH = 10  # the maximum of SQS ReceiveMessage

# Outputs of the stack: each dead-letter queue, and where its messages go.
_QUEUES = {"DeadLetterQueueUrl": "JobsQueueUrl", "RunsDeadLetterQueueUrl": "RunsQueueUrl"}


def redrive(stack: str, cloudformation: Any, sqs: Any) -> int:
    """Move all messages and return how many; an interruption loses none."""
    url = deployed(stack, cloudformation).output
    return sum(_move(sqs, url(dead), url(alive)) for dead, alive in _QUEUES.items())


def _move(sqs: Any, dead: str, alive: str) -> int:
    moved = 0
    for message in _messages(sqs, dead):
        sqs.send_message(
            QueueUrl=alive, MessageBody=message["Body"], MessageAttributes=_sent_at(message)
        )
        sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
        moved += 1
    return moved


def _sent_at(message: dict[str, Any]) -> dict[str, Any]:
    """Return when a message was sent first: a run that AWS delivered in time is not missed."""
    sent_at = {"DataType": "Number", "StringValue": message["Attributes"]["SentTimestamp"]}
    return {"sent_at": message.get("MessageAttributes", {}).get("sent_at", sent_at)}


def _messages(sqs: Any, url: str) -> Iterator[dict[str, Any]]:
    options = {
        "MaxNumberOfMessages": _BATCH,
        # A long poll asks all of the queue's servers; a short poll may miss messages.
        "WaitTimeSeconds": 2,
        "AttributeNames": ["SentTimestamp"],
        "MessageAttributeNames": ["sent_at"],
    }
    while received := sqs.receive_message(QueueUrl=url, **options).get("Messages"):
        yield from received


def main() -> None:
    account = connect()
    count = redrive(sys.argv[1], account.client("cloudformation"), account.client("sqs"))
    print(f"{count} messages moved back to their queues")


if __name__ == "__main__":
    run(main)

"""Put the messages of a deployment's dead-letter queue back into its queue.

python -m infra.redrive STACK
"""

import sys
from collections.abc import Iterator
from typing import Any

import boto3

_BATCH = 10  # SQS ReceiveMessage takes no more


def redrive(stack: str, cloudformation: Any, sqs: Any) -> int:
    """Move all messages, none of which is lost should it end in the middle; return how many."""
    [described] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    urls = {each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]}
    moved = 0
    for message in _messages(sqs, urls["DeadLetterQueueUrl"]):
        sqs.send_message(QueueUrl=urls["JobsQueueUrl"], MessageBody=message["Body"])
        sqs.delete_message(
            QueueUrl=urls["DeadLetterQueueUrl"], ReceiptHandle=message["ReceiptHandle"]
        )
        moved += 1
    return moved


def _messages(sqs: Any, url: str) -> Iterator[dict[str, Any]]:
    # A long poll asks all of the queue's servers, a short one may miss messages.
    options = {"MaxNumberOfMessages": _BATCH, "WaitTimeSeconds": 2}
    while received := sqs.receive_message(QueueUrl=url, **options).get("Messages"):
        yield from received


if __name__ == "__main__":
    count = redrive(sys.argv[1], boto3.client("cloudformation"), boto3.client("sqs"))
    print(f"{count} messages put back")

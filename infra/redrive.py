"""Move the messages of a deployment's dead-letter queue back to its jobs queue.

python -m infra.redrive STACK
"""

import sys
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

_BATCH = 10  # the maximum of SQS ReceiveMessage


def redrive(stack: str, cloudformation: Any, sqs: Any) -> int:
    """Move all messages and return how many; an interruption loses none."""
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
    # A long poll asks all of the queue's servers; a short poll may miss messages.
    options = {"MaxNumberOfMessages": _BATCH, "WaitTimeSeconds": 2}
    while received := sqs.receive_message(QueueUrl=url, **options).get("Messages"):
        yield from received


if __name__ == "__main__":
    try:
        count = redrive(sys.argv[1], boto3.client("cloudformation"), boto3.client("sqs"))
    except (BotoCoreError, ClientError) as failure:
        sys.exit(f"{str(failure).rstrip('.')}. Check STAGE, and the AWS account and region")
    print(f"{count} messages moved back to the jobs queue")

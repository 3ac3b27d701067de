"""SQS queues: messages that make workers drive jobs, and runs that AWS could not deliver."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from chalicelib.signals import QueueUnavailable

_LONGEST_DELAY_SECONDS = 900  # SQS DelaySeconds


class MessageQueue:
    """Sends messages that are a job id and nothing else: a job's state is in the table."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send(self, job_id: str, *, delay_seconds: int = 0) -> None:
        """Have a worker drive the job after a delay, of 15 minutes at most.

        Raise QueueUnavailable when SQS does not accept the message.
        """
        delay_seconds = min(delay_seconds, _LONGEST_DELAY_SECONDS)
        try:
            self._sqs.send_message(
                QueueUrl=self._url, MessageBody=job_id, DelaySeconds=delay_seconds
            )
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailable("SQS did not accept the message") from error


class Undelivered(Struct, frozen=True):
    """A message that EventBridge Scheduler could not deliver, and what it says about why."""

    receipt: str
    body: str
    attributes: dict[str, str]


class UndeliveredRuns:
    """The dead-letter queue of EventBridge Scheduler: what it could not deliver."""

    _BATCH = 10  # the maximum of SQS ReceiveMessage

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def receive(self) -> list[Undelivered]:
        """Return up to ten messages; each comes again until it is deleted.

        Raise QueueUnavailable when SQS does not answer.
        """
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=self._BATCH,
                MessageAttributeNames=["All"],
            )
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailable("SQS returned no messages") from error
        return [_undelivered(each) for each in answer.get("Messages", [])]

    def delete(self, message: Undelivered) -> None:
        """Delete a message; raise QueueUnavailable when SQS does not answer."""
        try:
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailable("SQS did not delete a message") from error


def _undelivered(message: dict[str, Any]) -> Undelivered:
    values = message.get("MessageAttributes", {})
    attributes = {name: str(each.get("StringValue", "")) for name, each in values.items()}
    return Undelivered(message["ReceiptHandle"], message["Body"], attributes)

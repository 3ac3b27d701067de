"""The SQS queue of messages that make workers drive jobs."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

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

"""The SQS queue whose messages have workers look at jobs."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.signals import QueueUnavailable

_LONGEST_DELAY_SECONDS = 900  # SQS DelaySeconds


class MessageQueue:
    """Messages carry a job id and nothing else: the table is the truth."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send(self, job_id: str, *, delay_seconds: int = 0) -> None:
        """Have a worker look at the job after a delay, of 15 minutes at most.

        Raise QueueUnavailable when SQS does not take the message.
        """
        delay_seconds = min(delay_seconds, _LONGEST_DELAY_SECONDS)
        try:
            self._sqs.send_message(
                QueueUrl=self._url, MessageBody=job_id, DelaySeconds=delay_seconds
            )
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailable("SQS did not take the message") from error

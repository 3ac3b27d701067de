"""Messages that make workers drive jobs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING

from chalicelib.models.jobs.job import Job
from chalicelib.signals import LeaseLost, QueueUnavailable

if TYPE_CHECKING:
    from chalicelib.gateways.sqs import MessageQueue

log = logging.getLogger("darkroom.job_messages")


class JobMessages:
    def __init__(self, queue: MessageQueue, clock: Callable[[], float]) -> None:
        self._queue = queue
        self._clock = clock

    def make_due(self, job: Job) -> None:
        """Make a job due now and send its message; do nothing if it is driven or has changed."""
        now = self._clock()
        try:
            job.make_due(now=now)
        except LeaseLost:
            return
        self.send(job.id, at=now)

    def send_when_due(self, job: Job) -> bool:
        """Send a job's message for when it is due, or, while it is driven, for after the lease.

        If that driver dies, the worker that receives the message can take over the job.
        """
        return self.send(job.id, at=job.due_at + 1 if job.lease else job.due_at)

    def send(self, job_id: str, *, at: float) -> bool:
        """Send a job's message to arrive at a time, or at once if that has passed.

        Return whether SQS accepted it. If not, the reconciler finds the job.
        """
        try:
            self._queue.send(job_id, delay_seconds=ceil(max(at - self._clock(), 0)))
        except QueueUnavailable:
            log.exception("the message of a job could not be sent", extra={"job_id": job_id})
            return False
        return True

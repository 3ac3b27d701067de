"""Messages: each has a worker look at a job."""

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
    """Has workers look at jobs."""

    def __init__(self, queue: MessageQueue, clock: Callable[[], float]) -> None:
        self._queue = queue
        self._clock = clock

    def make_due(self, job: Job) -> None:
        """Make a job due now and send its message; do nothing if somebody drives it after all."""
        now = self._clock()
        try:
            job.make_due(now=now)
        except LeaseLost:
            return
        self.send(job.id, at=now)

    def send_when_due(self, job: Job) -> bool:
        """Send a job's message for when it is due; while somebody drives it, for after the lease.

        Should that driver die, the message finds the lease expired, and a worker goes on.
        """
        return self.send(job.id, at=job.due_at + 1 if job.lease else job.due_at)

    def send(self, job_id: str, *, at: float) -> bool:
        """Send a job's message so that it comes at a time, or at once if that has passed.

        Return whether SQS took it. If not, the reconciler finds the job.
        """
        try:
            self._queue.send(job_id, delay_seconds=ceil(max(at - self._clock(), 0)))
        except QueueUnavailable:
            log.exception("no message for a job", extra={"job_id": job_id})
            return False
        return True

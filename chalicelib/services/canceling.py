"""Canceling jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import JobFinished
from chalicelib.models import line
from chalicelib.models.job import Job
from chalicelib.models.job_status import CANCELED
from chalicelib.services import telling

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.services.clearing import Clearing
    from chalicelib.services.waking import Waker

_ERROR = {
    "code": "canceled",
    "message": "the job was canceled",
    "suggestion": "Send the request again, with another Idempotency-Key if it had one",
    "field": None,
}


class Cancellation:
    """The use case behind `cancel`."""

    def __init__(self, clearing: Clearing, waker: Waker, clock: Callable[[], float]) -> None:
        self._clearing = clearing
        self._waker = waker
        self._clock = clock

    def cancel(self, job_id: str) -> Job:
        """End a job, and its run on the GPU if it has one; harmless when repeated.

        Raise NotFound, or JobFinished when the job succeeded or failed before.
        """
        job = Job.find(job_id)
        if job.is_open and (job.lease or job.attempts):
            # Should this process die, or a driver submit now who does not know yet: the message
            # comes when his lease has ended, and a worker clears up.
            self._waker.wake(job.id, at=max(job.due_at, self._clock()) + 1)
        try:
            job.cancel(_ERROR, now=self._clock())
        except JobFinished:
            if job.status != CANCELED:
                raise
            self._clearing.ended(job)
        else:
            telling.ended(job)
            self._clearing.ended(job)
            line.give_back(job)
        return job

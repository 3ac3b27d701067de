"""Having a worker look at a job."""

from __future__ import annotations

import logging
from math import ceil
from typing import TYPE_CHECKING

from chalicelib.errors import QueueUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.gateways.job_queue import JobQueue

log = logging.getLogger("darkroom.waking")


class Waker:
    """Sends messages, and is not stopped by a queue that takes none: the keeper finds the job."""

    def __init__(self, queue: JobQueue, clock: Callable[[], float]) -> None:
        self._queue = queue
        self._clock = clock

    def wake(self, job_id: str, *, at: float) -> bool:
        """Have a worker come at a time, or at once if it has passed; tell whether SQS took it."""
        try:
            self._queue.send(job_id, delay_seconds=ceil(max(at - self._clock(), 0)))
        except QueueUnavailable:
            log.exception("no message for a job", extra={"job_id": job_id})
            return False
        return True

"""What a worker does with a message."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from chalicelib.errors import JobBusy, JobFinished
from chalicelib.models.job import Job
from chalicelib.services.driving import LEASE_GRACE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.services.driving import Driver
    from chalicelib.services.generation import Generation

_SPARE_SECONDS = LEASE_GRACE_SECONDS + 5  # to store, to finish, and to pass on

log = logging.getLogger("darkroom.working")


class Worker:
    """Drives a job for as long as one invocation has, and passes it on."""

    def __init__(self, driver: Driver, generation: Generation, clock: Callable[[], float]) -> None:
        self._driver = driver
        self._generation = generation
        self._clock = clock

    def work(self, job_id: str, *, remaining_seconds: float) -> None:
        """Advance the job; harmless when the message comes twice, late, or after the end.

        Raise NotFound for a message that names no job: it ends in the dead-letter queue.
        """
        job = Job.find(job_id)
        try:
            self._driver.advance(job, until=self._clock() + remaining_seconds - _SPARE_SECONDS)
        except (JobBusy, JobFinished) as reason:
            log.info("nothing to do: %s", reason)
            return
        # A new message before this one is acknowledged: waiting uses up no receives.
        if job.is_open:
            self._generation.wake(job)

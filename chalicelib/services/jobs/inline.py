"""Driving jobs while their callers wait: in the function that accepted them."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from chalicelib.errors import JobFinished
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.status import STARTING
from chalicelib.services.jobs.driver import Driver
from chalicelib.services.jobs.messages import JobMessages
from chalicelib.signals import JobBusy

log = logging.getLogger("darkroom.inline")

_WATCH_SECONDS = 0.5


class InlineDriver:
    """Drives accepted jobs for as long as their caller waits."""

    def __init__(
        self,
        driver: Driver,
        job_messages: JobMessages,
        clock: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self._driver = driver
        self._job_messages = job_messages
        self._clock = clock
        self._pause = pause

    def drive(self, jobs: list[Job], *, until: float) -> None:
        """Drive accepted jobs, or wait for who does, as long as their caller waits."""
        waits = until > self._clock()
        # Those that were accepted to be driven here have nobody else, even if the wait is over.
        ours = [job for job in jobs if job.is_open and (waits or job.held_lease)]
        if len(ours) == 1:
            self._drive_one(ours[0], until)
            return
        with ThreadPoolExecutor(max_workers=max(len(ours), 1)) as pool:
            list(pool.map(lambda job: self._drive_one(job, until), ours))

    def _drive_one(self, job: Job, until: float) -> None:
        """Drive a job, or wait for who does, as long as its caller waits.

        What goes wrong here is for a worker to go on with: the job is accepted.
        """
        self._advance(job, until, job.held_lease)
        while job.is_open and job.status != STARTING and self._clock() < until:
            self._pause(_WATCH_SECONDS)
            self._refresh(job)
            if job.is_open and job.due_at <= self._clock():
                self._advance(job, until, None)

    def _refresh(self, job: Job) -> None:
        try:
            job.refresh(consistent_read=True)
        except Exception:  # it is accepted, whatever happens to this look at it
            log.exception("not read", extra={"job_id": job.id})

    def _advance(self, job: Job, until: float, lease: str | None) -> None:
        try:
            self._driver.advance(job, until=until, lease=lease)
        except (JobBusy, JobFinished):
            return
        except Exception:
            log.exception("inline driving failed", extra={"job_id": job.id})
        if job.is_open and not job.waits_in_queue:
            self._job_messages.send_when_due(job)

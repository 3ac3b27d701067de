"""Accept jobs, and drive them in the same function while their callers wait."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.waits import GPU_HELD, GPU_NOT_READY
from chalicelib.services.gpus.dispatcher import Dispatcher
from chalicelib.services.gpus.look import Look
from chalicelib.services.gpus.messages import Messages
from chalicelib.services.jobs.driver import Driver
from chalicelib.services.jobs.submit import Order, Submission

log = logging.getLogger("darkroom.inline")

_WATCH_SECONDS = 0.5
_TOO_LONG = (GPU_NOT_READY, GPU_HELD)  # for which no caller waits

Drive = Callable[[], None]


class InlineDriver:
    def __init__(
        self,
        submission: Submission,
        dispatcher: Dispatcher,
        driver: Driver,
        messages: Messages,
        clock: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self._submission = submission
        self._dispatcher = dispatcher
        self._driver = driver
        self._messages = messages
        self._clock = clock
        self._pause = pause

    def accept(self, order: Order) -> tuple[list[Job], Drive]:
        """Accept an order as `Submission.accept` does; return its jobs and what drives them.

        Call that while the caller waits. The fleet and the queue are read while one job is
        accepted; several jobs need to know of each other's slots.
        """
        look = self._dispatcher.look() if order.wait_until and order.count == 1 else None
        jobs = self._submission.accept(order, meanwhile=[look.in_advance] if look else [])
        return jobs, partial(self.drive, jobs, until=order.wait_until, look=look)

    def drive(self, jobs: list[Job], *, until: float, look: Look | None = None) -> None:
        """Drive accepted jobs, or wait while others drive them, as long as their caller waits."""
        waits = until > self._clock()
        # A job that was accepted under a lease has no other driver, even if the wait is over.
        driven = [job for job in jobs if job.is_open and (waits or job.held_lease)]
        if len(driven) == 1:
            self._drive_one(driven[0], until, look)
            return
        with ThreadPoolExecutor(max_workers=max(len(driven), 1)) as pool:
            list(pool.map(lambda job: self._drive_one(job, until, None), driven))

    def _drive_one(self, job: Job, until: float, look: Look | None) -> None:
        """Drive a job, or poll it while it waits in the queue or a follower has it.

        Errors are only logged: the job is accepted, and a follower continues with it.
        """
        if job.held_lease:
            self._advance(job, until, look)
        while job.is_open and job.waits_for not in _TOO_LONG and self._clock() < until:
            self._pause(_WATCH_SECONDS)
            self._refresh(job)

    def _refresh(self, job: Job) -> None:
        try:
            job.refresh(consistent_read=True)
        except Exception:  # the job stays accepted, and is read again
            log.exception("a job could not be read", extra={"job_id": job.id})

    def _advance(self, job: Job, until: float, look: Look | None) -> None:
        try:
            self._driver.advance(job, until=until, look=look)
        except Exception:
            log.exception("a job could not be driven inline", extra={"job_id": job.id})
        if job.is_open and job.attempt and not job.queue:
            self._messages.follow(job.attempt.instance_id, at=job.due_at)

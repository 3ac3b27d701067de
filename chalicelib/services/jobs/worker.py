"""The worker: drive the job of a message."""

import logging
from collections.abc import Callable

from chalicelib.errors import JobFinished
from chalicelib.models.jobs.job import Job
from chalicelib.services.jobs.cleanup import Cleanup
from chalicelib.services.jobs.driver import Driver
from chalicelib.services.jobs.lease import LEASE_GRACE_SECONDS
from chalicelib.services.jobs.messages import JobMessages
from chalicelib.signals import JobBusy

_RETRY_SECONDS = 5
_SPARE_SECONDS = LEASE_GRACE_SECONDS + 5  # to store, to finish, and to send the next message

log = logging.getLogger("darkroom.worker")


class Worker:
    """Drives a job for one invocation, and sends the message for the next one."""

    def __init__(
        self,
        driver: Driver,
        cleanup: Cleanup,
        job_messages: JobMessages,
        clock: Callable[[], float],
    ) -> None:
        self._driver = driver
        self._cleanup = cleanup
        self._job_messages = job_messages
        self._clock = clock

    def work(self, job_id: str, *, remaining_seconds: float) -> None:
        """Drive the job of a message, which may come twice, late, or after the job has ended.

        Raise NotFound if there is no such job; the message then goes to the dead-letter queue.
        """
        job = Job.find(job_id)
        until = self._clock() + remaining_seconds - _SPARE_SECONDS
        try:
            self._driver.advance(job, until=until)
        except JobBusy as reason:
            log.info("the worker has nothing to do: %s", reason)
        except JobFinished:
            self._cleanup.ended(job)  # the process that ended it may have died before its cleanup
        except Exception:
            # The driver may have failed before it wrote when the job is next due.
            if job.is_open:
                retry_at = self._clock() + _RETRY_SECONDS
                self._job_messages.send(job.id, at=max(job.due_at, retry_at))
            raise
        else:
            # A new message, so that waiting does not count as failed receives of this one.
            if job.is_open and not job.waits_in_queue:
                self._job_messages.send_when_due(job)

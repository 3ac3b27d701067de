"""What a worker does with a message."""

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
_SPARE_SECONDS = LEASE_GRACE_SECONDS + 5  # to store, to finish, and to pass on

log = logging.getLogger("darkroom.worker")


class Worker:
    """Drives a job for as long as one invocation has, and passes it on."""

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
        """Advance the job; harmless when the message comes twice, late, or after the end.

        Raise NotFound for a message that names no job: it ends in the dead-letter queue.
        """
        job = Job.find(job_id)
        until = self._clock() + remaining_seconds - _SPARE_SECONDS
        try:
            self._driver.advance(job, until=until)
        except JobBusy as reason:
            log.info("nothing to do: %s", reason)
        except JobFinished:
            self._cleanup.ended(job)  # whoever ended it may have died before he had cleared up
        except Exception:
            # Nothing of it may have been written: not that the job waits, nor when it is due.
            if job.is_open:
                retry_at = self._clock() + _RETRY_SECONDS
                self._job_messages.send(job.id, at=max(job.due_at, retry_at))
            raise
        else:
            # A new message before this one is acknowledged: waiting uses up no receives.
            if job.is_open and not job.waits_in_queue:
                self._job_messages.send_when_due(job)

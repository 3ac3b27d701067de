"""Jobs that are overdue: those that waited too long end; those without a driver are resumed."""

import logging
from collections.abc import Callable
from functools import partial

from chalicelib.errors import GenerationFailed, JobFinished
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.indexes import SHARDS
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import overdue
from chalicelib.services.gpus.messages import Messages
from chalicelib.services.jobs import job_metrics
from chalicelib.services.jobs.driver import Driver
from chalicelib.services.jobs.failures import Refusal, deadline_exceeded, described
from chalicelib.services.together import Together
from chalicelib.signals import JobBusy, LeaseLost

log = logging.getLogger("darkroom.overdue")

_LATE_SECONDS = 10  # messages may be some seconds late without being lost
_SWEEP_SECONDS = 40  # of the minute; the next round finds the jobs that are left
_AT_ONCE = 100  # jobs that are read at once
_THREADS = 4  # of each shard


class OverdueJobs:
    """Finds jobs by when they are due, so that a sweep costs by how many are overdue."""

    def __init__(
        self,
        driver: Driver,
        messages: Messages,
        together: Together,
        clock: Callable[[], float],
    ) -> None:
        self._driver = driver
        self._messages = messages
        self._together = together
        self._clock = clock

    def sweep(self) -> None:
        """Handle the overdue jobs of all shards at once."""
        until = self._clock() + _SWEEP_SECONDS
        self._together([partial(self._sweep, shard, until) for shard in range(SHARDS)])

    def _sweep(self, shard: int, until: float) -> None:
        refusal = Refusal(self._clock)
        for jobs in overdue(self._clock() - _LATE_SECONDS, shard=shard, at_once=_AT_ONCE):
            if self._clock() >= until:
                return
            parts = [jobs[index::_THREADS] for index in range(_THREADS)]
            self._together([partial(self._handle_all, part, refusal) for part in parts if part])

    def _handle_all(self, jobs: list[Job], refusal: Refusal) -> None:
        queue.count(-sum(self._handle(job, refusal) for job in jobs))

    def _handle(self, job: Job, refusal: Refusal) -> bool:
        """End a job that waits for a slot, or have it resumed; return whether it has ended."""
        try:
            if job.is_queued and job.slot_at is None:
                return self._expire(job, refusal)
            self._resume(job)
        except (JobBusy, JobFinished, LeaseLost):
            pass
        except Exception:
            log.exception("an overdue job could not be handled", extra={"job_id": job.id})
        return False

    def _expire(self, job: Job, refusal: Refusal) -> bool:
        now = self._clock()
        if job.expire(described(self._late(job, refusal)), now=now):
            job_metrics.ended(job)
            return True
        return False

    def _late(self, job: Job, refusal: Refusal) -> GenerationFailed:
        return deadline_exceeded(job, refusal=refusal.text)

    def _resume(self, job: Job) -> None:
        """Have a follower go on with a job that has a slot; end or move another one here."""
        log.warning("a job was stalled", extra={"job_id": job.id})
        attempt = job.attempt
        is_late = self._clock() >= job.deadline_at
        if attempt and not is_late and self._has_slot(job, attempt.instance_id):
            return self._messages.follow(attempt.instance_id)
        return self._driver.advance(job, until=self._clock())

    def _has_slot(self, job: Job, instance_id: str) -> bool:
        return job.id in InstanceRecord.read(instance_id).slot_holders

"""Canceling jobs."""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial

from msgspec import Struct

from chalicelib.errors import ComfyUIUnreachable, FleetUnreachable, JobFinished, NotFound
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.status import CANCELED
from chalicelib.services.gpus.inventory import Inventory
from chalicelib.services.gpus.messages import Messages
from chalicelib.services.jobs import job_metrics
from chalicelib.services.jobs.cleanup import Cleanup

log = logging.getLogger("darkroom.cancel")

_AT_ONCE = 8
_STOP_SECONDS = 5.0  # after the last cancellation, in which ComfyUIs are asked to stop

_ERROR = {
    "code": "canceled",
    "message": "the job was canceled",
    "suggestion": "Send the request again, with another Idempotency-Key if it had one",
    "field": None,
}


class Outcome(Struct, frozen=True):
    """The result of one of many cancellations.

    `job` is set if the job is canceled, `is_new` if this call canceled it, and `is_left` if it
    still has to be canceled.
    """

    job: Job | None = None
    is_new: bool = False
    is_left: bool = False


class Cancellation:
    """Cancels jobs. That ComfyUI stops, and what they hold is freed, is seen to by followers."""

    def __init__(
        self,
        inventory: Inventory,
        cleanup: Cleanup,
        messages: Messages,
        clock: Callable[[], float],
    ) -> None:
        self._inventory = inventory
        self._cleanup = cleanup
        self._messages = messages
        self._clock = clock

    def cancel(self, job_id: str, *, owner: str | None = None) -> Job:
        """Cancel a job, of this owner if one is given; safe to repeat.

        Its execution may go on for a moment. Raise NotFound, or JobFinished if the job has
        succeeded or failed.
        """
        job = Job.find(job_id, owner=owner)
        has_ended = self._end(job)
        self._stop(job)
        if has_ended:
            queue.give_back([job])
        return job

    def cancel_all(
        self, job_ids: Iterable[str], *, owner: str | None, until: float
    ) -> tuple[list[str], bool]:
        """Cancel jobs of one owner, or of any owner if None, several at a time.

        Return the ids of the jobs that are now canceled, and whether jobs are left, because
        no cancellation begins after `until`. Jobs that do not exist, or have succeeded or failed,
        count as neither.
        """
        tries = [
            partial(copy_context().run, self._try, job_id, owner=owner, until=until)
            for job_id in job_ids
        ]
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            outcomes = list(pool.map(lambda each: each(), tries))
            jobs = [each.job for each in outcomes if each.job]
            list(pool.map(partial(self._stop_until, until + _STOP_SECONDS), jobs))
        queue.give_back(each.job for each in outcomes if each.job and each.is_new)
        return [str(job.id) for job in jobs], any(each.is_left for each in outcomes)

    def _try(self, job_id: str, *, owner: str | None, until: float) -> Outcome:
        if self._clock() > until:
            return Outcome(is_left=True)
        try:
            job = Job.find(job_id, owner=owner)
            return Outcome(job, is_new=self._end(job))
        except (NotFound, JobFinished):
            return Outcome()
        except Exception:
            log.exception("a job could not be canceled", extra={"job_id": job_id})
            return Outcome(is_left=True)

    def _stop_until(self, until: float, job: Job) -> None:
        """Stop an attempt unless the time is over; a follower then does it."""
        if self._clock() <= until:
            self._stop(job)

    def _stop(self, job: Job) -> None:
        """Have the last attempt of a canceled job stopped, and the job cleaned up by a follower.

        Errors are logged: a follower looks again when the lease has ended.
        """
        try:
            if job.attempt is None:
                return  # if it has a slot, a follower sees that it has ended
            record = InstanceRecord.read(job.attempt.instance_id)
            if job.id not in record.slot_holders:
                self._cleanup.ended(job)  # no follower sees a job without a slot
                return
            if not record.is_followed(self._clock()):
                self._messages.check(record.id, at=self._clock())
            if comfyui := self._inventory.comfyui_at(record.id):
                comfyui.interrupt(job.attempt.id)
        except (ComfyUIUnreachable, FleetUnreachable) as silence:
            log.info("%s; a follower stops the attempt", silence, extra={"job_id": job.id})
        except Exception:
            log.exception("a canceled job could not be stopped", extra={"job_id": job.id})

    def _end(self, job: Job) -> bool:
        """Cancel a job; return False if it was canceled before.

        Raise JobFinished if it has succeeded or failed.
        """
        if job.is_open and job.attempt:
            # If this process dies, or the driver still submits an attempt, a follower looks at
            # the instance after the lease has ended, and cleans up.
            at = max(job.due_at, self._clock()) + 1
            self._messages.check(job.attempt.instance_id, at=at)
        was_queued = job.is_queued
        try:
            job.cancel(_ERROR, now=self._clock())
        except JobFinished:
            if job.status != CANCELED:
                raise
            return False
        job_metrics.ended(job)
        queue.count(-was_queued)
        return True

"""Jobs whose GPU an administrator stops while they run: they go back into the queue at once."""

from collections.abc import Callable

from chalicelib.errors import NotFound, Overloaded
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.attempt import GPU_STOPPED, sentence_of
from chalicelib.models.jobs.job import Job
from chalicelib.services.jobs.attempts import note_unreported

_TRIES = 5


def interrupt(record: InstanceRecord, *, waits_for: str, clock: Callable[[], float]) -> int:
    """Free the slots of an instance that gives out no more; return how many jobs were put back.

    A job that is being given its attempt is put back, too. `waits_for` is the code of what they
    wait for now. Safe to repeat. Raise Overloaded if a job changes all the time.
    """
    returned = 0
    for job_id in sorted(record.slot_holders):
        # First, as a job that has a slot keeps it even on an instance that drains.
        record.release_slot(job_id)
        returned += _return(job_id, record.id, waits_for, clock())
    queue.count(returned)
    return returned


def _return(job_id: str, instance_id: str, waits_for: str, now: float) -> bool:
    """Put a job back into the queue; return False if it has ended, or is in the queue."""
    for _ in range(_TRIES):
        try:
            job = Job.find(job_id)
        except NotFound:
            return False
        if not job.is_open or not _is_driven_on(job, instance_id):
            return False
        was_queued = job.is_queued
        if _put_back(job, waits_for, now):
            return not was_queued
    raise Overloaded(f"job {job_id} changes all the time, and was not put back")


def _is_driven_on(job: Job, instance_id: str) -> bool:
    """Return whether a job runs on an instance, or a driver may be about to begin its attempt."""
    if job.is_queued or not job.attempt:
        return job.lease is not None
    return bool(job.attempt.instance_id == instance_id)


def _put_back(job: Job, waits_for: str, now: float) -> bool:
    reason = job.end_reason
    if job.attempt and not job.is_queued and not reason:
        note_unreported(job, until=now)
        reason = GPU_STOPPED
    sort_key = str(job.sort_key) if job.is_queued else queue.sort_key(job, now=now)
    text = sentence_of(GPU_STOPPED)
    return job.return_to_queue(sort_key, text, waits_for=waits_for, end_reason=reason)

"""What a job waits for, and about how long."""

from math import ceil

from msgspec import Struct

from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.queue import MOST_COUNTED
from chalicelib.models.jobs.queue_snapshot import QueueSnapshot
from chalicelib.models.jobs.status import QUEUED, RUNNING, STARTING
from chalicelib.models.jobs.waits import BUDGET_EXHAUSTED, GPU_HELD, GPU_NOT_READY
from chalicelib.services.gpus.queue_snapshots import QueueSnapshots


class Wait(Struct, frozen=True):
    """A job's status for callers, and how many images come before it, at least or exactly.

    `seconds` is about how long it is until its image begins. None is not known.
    """

    status: str
    reason: str | None = None
    position: int | None = None
    is_minimum: bool = False
    seconds: int | None = None


class Waits:
    """Estimates waits from the snapshot of the queue.

    The snapshot is read if one of the jobs waits, unless it was read together with the job.
    """

    def __init__(self, queue_snapshots: QueueSnapshots) -> None:
        self._snapshots = queue_snapshots
        self._known: QueueSnapshot | None = None

    def show(self, job_id: str, *, owner: str | None = None) -> Job:
        """Return a job, as `Job.show` does; read the snapshot with it if it may be needed."""
        self._known = self._snapshots.fresh()
        if self._known:
            return Job.show(job_id, owner=owner)
        job, self._known = QueueSnapshot.read_with(job_id, owner=owner)
        return job

    @property
    def status(self) -> str:
        """The status of the jobs in the queue."""
        return _status_of(self._snapshots.current())

    def of(self, jobs: list[Job]) -> dict[str, Wait]:
        """Return what each job waits for, by job id."""
        if not any(_waits(job) for job in jobs):
            return NoWaits().of(jobs)
        snapshot = self._snapshots.current(self._known)
        return {job.id: _wait(job, snapshot) for job in jobs}


class NoWaits:
    """Tells what jobs wait for as far as they know it themselves, and reads nothing."""

    def of(self, jobs: list[Job]) -> dict[str, Wait]:
        return {job.id: _known(job) for job in jobs}


def _waits(job: Job) -> bool:
    return job.is_queued or (job.status == QUEUED and job.queue_position is not None)


def _known(job: Job) -> Wait:
    status = STARTING if job.is_queued and job.waits_for == GPU_NOT_READY else job.status
    return Wait(status, job.status_reason, 0 if job.status == RUNNING else None)


def _wait(job: Job, snapshot: QueueSnapshot) -> Wait:
    if not _waits(job):
        return _known(job)
    if not job.is_queued:
        position = int(job.queue_position)
        return Wait(QUEUED, job.status_reason, position, seconds=_seconds(position, snapshot))
    rank = snapshot.rank(str(job.sort_key))
    ahead = int(snapshot.served) + (int(snapshot.length) if rank is None else rank)
    is_minimum = rank is None or ahead > MOST_COUNTED
    status, reason = _status(job, snapshot)
    position, seconds = min(ahead, MOST_COUNTED), _seconds(ahead, snapshot)
    return Wait(status, reason, position, is_minimum, seconds)


def _status(job: Job, snapshot: QueueSnapshot) -> tuple[str, str | None]:
    """Return what the fleet's state was when the snapshot was made, or when the job was queued."""
    if snapshot.made_at < job.created_at or snapshot.reason is None:
        known = _known(job)
        return known.status, known.reason
    return _status_of(snapshot), snapshot.reason


def _status_of(snapshot: QueueSnapshot) -> str:
    return STARTING if snapshot.waits_for == GPU_NOT_READY else QUEUED


def _seconds(ahead: int, snapshot: QueueSnapshot) -> int | None:
    pace, boot = snapshot.pace_seconds, snapshot.boot_seconds
    if pace is None or boot is None or snapshot.waits_for in (BUDGET_EXHAUSTED, GPU_HELD):
        return None
    return ceil(boot + ahead * pace)

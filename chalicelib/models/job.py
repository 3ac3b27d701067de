"""Jobs: the table, and every way in which a job may change. Nothing else writes to it."""

from typing import Any

from pynamodb.attributes import (
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action

from chalicelib.config import config
from chalicelib.errors import JobBusy, JobFinished, LeaseLost, NotFound
from chalicelib.models.job_index import ByAge, ByPost, ByStatus, shard_of
from chalicelib.models.table import Table, was_refused

QUEUED, STARTING, RUNNING = "queued", "starting", "running"
SUCCEEDED, FAILED, CANCELED = "succeeded", "failed", "canceled"
OPEN = (QUEUED, STARTING, RUNNING)
STATUSES = (*OPEN, SUCCEEDED, FAILED, CANCELED)

# A message that comes this much before its job is due was overtaken by a later one.
_EARLY_SECONDS = 1


class Attempt(MapAttribute[str, Any]):
    """One submission to ComfyUI, under an id that we chose and wrote down before."""

    id = UnicodeAttribute()
    instance_id = UnicodeAttribute()
    started_at = NumberAttribute()
    reason = UnicodeAttribute()


class Job(Table):
    """A request for one image, from the moment it was accepted; terminal statuses are final.

    Times are seconds since the epoch. While `lease` is set, its owner drives the job until
    `due_at`; without a lease, `due_at` is when somebody should drive it next.
    """

    class Meta:
        table_name = config.jobs_table

    id = UnicodeAttribute(hash_key=True)
    status = UnicodeAttribute(default=QUEUED)
    status_reason = UnicodeAttribute(null=True)
    shard = UnicodeAttribute()
    status_shard = UnicodeAttribute()
    post_id = UnicodeAttribute(null=True)
    parameters = JSONAttribute()
    attempts: ListAttribute[Attempt] = ListAttribute(of=Attempt, default=list)
    images = JSONAttribute(default=list)
    error = JSONAttribute(null=True)
    progress = JSONAttribute(null=True)
    queue_position = NumberAttribute(null=True)
    created_at = NumberAttribute()
    started_at = NumberAttribute(null=True)
    finished_at = NumberAttribute(null=True)
    lease = UnicodeAttribute(null=True)
    due_at = NumberAttribute()
    expires_at = NumberAttribute()

    # What this object may write under: `lease` is re-read, and may then be another driver's.
    _held = ""

    by_age = ByAge()
    by_status = ByStatus()
    by_post = ByPost()

    @classmethod
    def new(cls, job_id: str, *, now: float, **known: Any) -> "Job":
        """Make a queued job, not yet stored; the keeper drives it if nobody else does."""
        shard = shard_of(job_id)
        retention_seconds = config.job_retention_days * 86_400
        job = cls(
            id=job_id,
            shard=shard,
            status_shard=f"{QUEUED}#{shard}",
            created_at=now,
            expires_at=int(now) + config.job_deadline_seconds + retention_seconds,
            **known,
        )
        job._held = job.lease or ""
        return job

    @classmethod
    def find(cls, job_id: str) -> "Job":
        """Return a job, or raise NotFound."""
        try:
            job = cls.get(job_id, consistent_read=True)
        except cls.DoesNotExist:
            raise NotFound(f"job {job_id[:64]} does not exist", title="Job not found") from None
        return job

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def attempt(self) -> Attempt | None:
        """The submission that counts now, if there was one."""
        return self.attempts[-1] if self.attempts else None

    def claim(self, lease: str, *, now: float, until: float) -> None:
        """Become the only driver until `until`; raise JobBusy or JobFinished."""
        free = Job.lease.does_not_exist() & (Job.due_at <= now + _EARLY_SECONDS)
        expired = Job.lease.exists() & (Job.due_at <= now)
        claimable = Job.status.is_in(*OPEN) & (free | expired | (Job.lease == lease))
        try:
            self.update([Job.lease.set(lease), Job.due_at.set(until)], condition=claimable)
        except UpdateError as error:
            if not was_refused(error):
                raise
            self.refresh(consistent_read=True)
            if self.is_open:
                raise JobBusy(f"job {self.id} is driven by another") from error
            raise JobFinished(f"job {self.id} is {self.status}") from error
        self._held = lease

    def put_back(self, status: str, reason: str | None, *, due_at: float) -> None:
        """Give up the lease; whoever comes at `due_at` goes on."""
        self._change(
            [
                *self._to(status),
                Job.status_reason.set(reason) if reason else Job.status_reason.remove(),
                Job.lease.remove(),
                Job.due_at.set(due_at),
            ]
        )

    def begin_attempt(self, attempt: Attempt, *, queue_position: int) -> None:
        """Write a submission down before it is made, so that its loss can be noticed."""
        made = Job.attempts.set(Job.attempts.append([attempt])) if self.attempts else None
        self._change(
            [
                *self._to(QUEUED if queue_position else RUNNING),
                made or Job.attempts.set([attempt]),
                Job.started_at.set(self.started_at or attempt.started_at),
                Job.queue_position.set(queue_position),
                Job.status_reason.remove(),
                Job.progress.remove(),
            ],
            size(Job.attempts) == len(self.attempts),
        )

    def report(self, progress: dict[str, Any] | None, *, queue_position: int) -> None:
        """Let pollers see how far the image is, or how many stand before it in the queue."""
        self._change(
            [
                *self._to(QUEUED if queue_position else RUNNING),
                Job.progress.set(progress) if progress else Job.progress.remove(),
                Job.queue_position.set(queue_position),
            ]
        )

    def succeed(self, images: list[dict[str, Any]], *, now: float) -> None:
        """Finish with stored images."""
        self._finish(SUCCEEDED, [Job.images.set(images), Job.error.remove()], now)

    def fail(self, error: dict[str, Any], *, now: float) -> None:
        """Finish without; `error` is what the caller reads."""
        self._finish(FAILED, [Job.error.set(error)], now)

    def rearm(self, *, now: float) -> None:
        """Make a job that nobody drives due now; raise LeaseLost if somebody does after all."""
        unchanged = Job.due_at == self.due_at
        self._write([Job.lease.remove(), Job.due_at.set(now)], unchanged)

    def _finish(self, status: str, actions: list[Action], now: float) -> None:
        nothing_left = [Job.lease, Job.progress, Job.queue_position, Job.status_reason]
        self._change(
            [
                *self._to(status),
                *actions,
                *(attribute.remove() for attribute in nothing_left),
                Job.finished_at.set(now),
                Job.due_at.set(now),
            ]
        )

    def _to(self, status: str) -> list[Action]:
        return [Job.status.set(status), Job.status_shard.set(f"{status}#{self.shard}")]

    def _change(self, actions: list[Action], condition: Condition | None = None) -> None:
        held = Job.lease == self._held
        self._write(actions, held if condition is None else held & condition)

    def _write(self, actions: list[Action], condition: Condition) -> None:
        try:
            self.update(actions, condition=condition & Job.status.is_in(*OPEN))
        except UpdateError as error:
            if not was_refused(error):
                raise
            raise LeaseLost(f"job {self.id} is no longer ours to change") from error

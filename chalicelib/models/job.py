"""Every way in which a job may change. Nothing else writes to the table's jobs."""

from typing import Any

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import size

from chalicelib.config import config
from chalicelib.errors import JobBusy, JobFinished, LeaseLost, NotFound
from chalicelib.models.attempt import Attempt
from chalicelib.models.job_index import (
    LINE,
    UNDER_WAY,
    ByAge,
    ByOwner,
    ByOwnerPost,
    ByOwnerStatus,
    ByPlace,
    ByPost,
    ByStatus,
    shard_of,
)
from chalicelib.models.job_item import JobItem
from chalicelib.models.job_parameters import JobParameters, id_of, size_of
from chalicelib.models.job_status import (
    CANCELED,
    FAILED,
    OPEN,
    QUEUED,
    RUNNING,
    SUCCEEDED,
)
from chalicelib.models.table import Table, read_together, set_or_remove, was_refused

# A message that comes this much before its job is due was overtaken by a later one.
_EARLY_SECONDS = 1


class Job(JobItem):
    """A job and its transitions, each a conditional write."""

    by_age = ByAge()
    by_status = ByStatus()
    by_place = ByPlace()
    by_owner = ByOwner()
    by_owner_status = ByOwnerStatus()
    by_post = ByPost()
    by_owner_post = ByOwnerPost()

    @classmethod
    def new(
        cls,
        job_id: str,
        *,
        now: float,
        parameters: dict[str, Any],
        wait_seconds: int | None = None,
        **known: Any,
    ) -> "Job":
        """Make a queued job, not yet stored; the keeper drives it if nobody else does.

        It waits for a seat for `wait_seconds`, or as long as the deployment lets it.
        """
        waits_until = now + (wait_seconds or config.job_deadline_seconds)
        kept_seconds = config.run_deadline_seconds + config.job_retention_days * 86_400
        job = cls(
            id=job_id,
            shard=shard_of(job_id),
            created_at=now,
            waits_until=waits_until,
            expires_at=int(waits_until) + kept_seconds,
            parameters_bytes=size_of(parameters),
            **known,
        )
        job.owner_shard = f"{job.owner}#{job.shard}"
        for name, place in {**job._places_of(QUEUED), **job._posted(UNDER_WAY)}.items():
            setattr(job, name, place)
        job._held, job._parameters = job.lease or "", parameters
        return job

    @classmethod
    def find(cls, job_id: str, *, owner: str | None = None) -> "Job":
        """Return a job, of this owner if one is given, or raise NotFound."""
        try:
            job = cls.get(job_id, consistent_read=True)
        except cls.DoesNotExist:
            raise _missing(job_id) from None
        if owner not in (None, job.owner):
            raise _missing(job_id)
        return job

    @classmethod
    def show(cls, job_id: str, *, owner: str | None = None) -> "Job":
        """Return a job and its parameters, read in one call; else do as `find`."""
        kinds: dict[str, type[Table]] = {job_id: cls, id_of(job_id): JobParameters}
        found = read_together(kinds, consistent=True)
        job, stored = found.get(job_id), found.get(id_of(job_id))
        if not (isinstance(job, Job) and isinstance(stored, JobParameters)):
            raise _missing(job_id)
        if owner not in (None, job.owner):
            raise _missing(job_id)
        job._parameters = stored.values
        return job

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

    def put_back(
        self,
        status: str,
        reason: str | None,
        *,
        due_at: float,
        waits_for: str | None = None,
        spent: str | None = None,
        place: str | None = None,
    ) -> None:
        """Give up the lease; whoever comes at `due_at` goes on.

        `waits_for` says for programs what keeps it, `spent` why the attempt is over, `place`
        where in the line the job stands.
        """
        actions = [
            *self._to(status),
            set_or_remove(Job.status_reason, reason),
            set_or_remove(Job.waits_for, waits_for),
            Job.lease.remove(),
            Job.due_at.set(due_at),
        ]
        if spent:
            actions += [Job.spent.set(spent), *self._runs()]
        if place:
            actions += [Job.line.set(LINE), Job.place.set(place)]
        self._change(actions)

    def fall_silent(self, reason: str, *, now: float, due_at: float) -> None:
        """Put back a job whose ComfyUI does not answer, and remember since when."""
        self._change(
            [
                Job.status_reason.set(reason),
                Job.waits_for.set("comfyui_unreachable"),
                Job.silent_since.set(Job.silent_since | now),
                Job.lease.remove(),
                Job.due_at.set(due_at),
            ]
        )

    def call(self, *, now: float) -> None:
        """Make a job in the line due now; raise LeaseLost if it is driven, or not in it."""
        undriven = Job.lease.does_not_exist() | (Job.due_at <= now)
        self._write([Job.lease.remove(), Job.due_at.set(now)], Job.line.exists() & undriven)

    def begin_attempt(self, attempt: Attempt, *, queue_position: int) -> None:
        """Write a submission down before it is made, so that its loss can be noticed."""
        now = attempt.started_at
        actions = [
            *self._resumed(queue_position),
            # As a whole: the run of the attempt before may have to be noted with it.
            Job.attempts.set([*self.attempts, attempt]),
            # In the line it had no GPU, and the time with one begins anew.
            Job.seated_at.set(now if self.line else self.seated_at or now),
            Job.started_at.set(self.started_at or now),
            Job.progressed_at.set(now),
            Job.spent.remove(),
            Job.progress.remove(),
        ]
        try:
            self._change(actions, size(Job.attempts) == len(self.attempts))
        except LeaseLost:
            # Ours all the same, if the answer of the first of two writes was lost.
            self.refresh(consistent_read=True)
            if self.lease != self._held or not self.attempt or self.attempt.id != attempt.id:
                raise

    def resume(self, *, queue_position: int) -> None:
        """Note that ComfyUI has the attempt still."""
        self._change(self._resumed(queue_position))

    def report(
        self, progress: dict[str, Any] | None, *, queue_position: int, now: float, until: float
    ) -> None:
        """Let pollers see how far the image is, or how many stand before it in the queue.

        `now` is when ComfyUI last gave a sign of life; the lease is kept until `until`.
        """
        self._change(
            [
                *self._to(QUEUED if queue_position else RUNNING),
                set_or_remove(Job.progress, progress),
                Job.queue_position.set(queue_position),
                Job.progressed_at.set(now),
                Job.due_at.set(until),
            ]
        )

    def succeed(self, images: list[dict[str, Any]], *, now: float) -> None:
        """Finish with stored images."""
        made = (Job.images.set(images), Job.image_count.set(len(images)), Job.error.remove())
        ended = self._ended(SUCCEEDED, now, *made)
        self._change([*ended, *self._runs(), Job.lease.remove()])

    def fail(self, error: dict[str, Any], *, now: float) -> None:
        """Finish without; `error` is what the caller reads."""
        ended = self._ended(FAILED, now, Job.error.set(error))
        self._change([*ended, *self._runs(), Job.lease.remove()])

    def cancel(self, error: dict[str, Any], *, now: float) -> None:
        """Finish, whoever drives the job: he may then change nothing more.

        `lease` and `due_at` stay, and tell until when he may not know. Raise JobFinished when
        the job has ended already.
        """
        try:
            self._write(self._ended(CANCELED, now, Job.error.set(error)), Job.id.exists())
        except LeaseLost as lost:
            self.refresh(consistent_read=True)
            raise JobFinished(f"job {self.id} is {self.status}") from lost

    def rearm(self, *, now: float) -> None:
        """Make a job that nobody drives due now; raise LeaseLost if somebody does after all."""
        unchanged = Job.due_at == self.due_at
        self._write([Job.lease.remove(), Job.due_at.set(now)], unchanged)


def _missing(job_id: str) -> NotFound:
    return NotFound(f"job {job_id[:64]} does not exist", title="Job not found")


# Job has the indexes, by which PynamoDB describes the table.
JobParameters.beside = Job

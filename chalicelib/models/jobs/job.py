"""A job: what it is, and every way in which it may change, each a conditional write."""

from collections.abc import Mapping
from math import inf
from typing import Any, NamedTuple

from pynamodb.attributes import ListAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action

from chalicelib.config import config
from chalicelib.days import DAY_SECONDS
from chalicelib.errors import JobFinished, NotFound
from chalicelib.models.jobs.attempt import Attempt
from chalicelib.models.jobs.indexes import (
    MADE,
    QUEUE,
    UNDER_WAY,
    ByAge,
    ByBatchOwner,
    ByDue,
    ByOwner,
    ByOwnerPost,
    ByOwnerStatus,
    ByPost,
    ByQueue,
    BySchedule,
    ByStatus,
    shard_of,
)
from chalicelib.models.jobs.parameters import JobParameters, id_of, size_of
from chalicelib.models.jobs.priority import BATCH, INTERACTIVE
from chalicelib.models.jobs.status import (
    CANCELED,
    FAILED,
    OPEN,
    QUEUED,
    RUNNING,
    SUCCEEDED,
)
from chalicelib.models.jobs.waits import COMFYUI_UNREACHABLE
from chalicelib.models.json_text import JsonText
from chalicelib.models.table import Table, read_together, set_or_remove, was_refused
from chalicelib.signals import JobBusy, LeaseLost

Changes = dict[str, Any]  # new values by attribute; None removes an attribute


class Write(NamedTuple):
    """A change of a job, and the condition without which it is not made."""

    changes: Changes
    condition: Condition

    @property
    def actions(self) -> list[Action]:
        return _actions(self.changes)


class Job(Table):
    """A request for one image, from the moment it was accepted; terminal statuses are final.

    Times are seconds since the epoch. While `lease` is set, its driver has the job until `due_at`;
    without a lease, the job is due at `due_at`. While `queue` is set, the job waits for a slot on a
    GPU, in the order of `sort_key` and until `waits_until`. `sort_key` stays when the job leaves
    the queue, in case it returns. `end_reason` is the code of why its last attempt ended,
    `waits_for` the code of what the job waits for. `scheduled_at` is the key of the schedule's run.
    `units` are the job's megapixel-steps, by which its owner's share is counted. It has its slot
    since `slot_at`, and its attempt runs since `running_since`.
    """

    class Meta:
        table_name = config.jobs_table

    id = UnicodeAttribute(hash_key=True)
    status = UnicodeAttribute(default=QUEUED)
    status_reason = UnicodeAttribute(null=True)
    waits_for = UnicodeAttribute(null=True)
    shard = UnicodeAttribute()
    status_shard = UnicodeAttribute()
    post_id = UnicodeAttribute(null=True)
    schedule_id = UnicodeAttribute(null=True)
    scheduled_at = UnicodeAttribute(null=True)
    style_id = NumberAttribute(null=True)
    owner = UnicodeAttribute(default="nobody")
    workflow = UnicodeAttribute(default="text_to_image")
    priority = UnicodeAttribute(default=INTERACTIVE)
    checkpoint = UnicodeAttribute(null=True)
    units = NumberAttribute(default=1)
    queue = UnicodeAttribute(null=True)
    sort_key = UnicodeAttribute(null=True)
    batch_owner = UnicodeAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    owner_shard = UnicodeAttribute()
    owner_status_shard = UnicodeAttribute()
    post_state = UnicodeAttribute(null=True)
    owner_post_state = UnicodeAttribute(null=True)
    parameters_bytes = NumberAttribute(default=0)
    attempts: ListAttribute[Attempt] = ListAttribute(of=Attempt, default=list)
    end_reason = UnicodeAttribute(null=True)
    gpu_seconds = NumberAttribute(default=0)
    gpu_cost = NumberAttribute(null=True, default_for_new=0)  # None is not known
    images = JsonText(default=list)
    image_count = NumberAttribute(default=0)
    error = JsonText(null=True)
    progress = JsonText(null=True)
    queue_position = NumberAttribute(null=True)
    created_at = NumberAttribute()
    waits_until = NumberAttribute()
    slot_at = NumberAttribute(null=True)
    running_since = NumberAttribute(null=True)
    started_at = NumberAttribute(null=True)
    progressed_at = NumberAttribute(null=True)
    unreachable_since = NumberAttribute(null=True)
    finished_at = NumberAttribute(null=True)
    lease = UnicodeAttribute(null=True)
    due_at = NumberAttribute()
    expires_at = NumberAttribute()

    by_age = ByAge()
    by_status = ByStatus()
    by_due = ByDue()
    by_batch_owner = ByBatchOwner()
    by_queue = ByQueue()
    by_owner = ByOwner()
    by_owner_status = ByOwnerStatus()
    by_post = ByPost()
    by_owner_post = ByOwnerPost()
    by_schedule = BySchedule()

    # The lease that this object has; after a refresh, `lease` may be another driver's.
    _held = ""
    _parameters: dict[str, Any] | None = None

    @property
    def held_lease(self) -> str | None:
        """The lease under which this object may change the job, if it has one."""
        return self._held or None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def is_queued(self) -> bool:
        """Whether it waits in the queue for a follower, and needs no message."""
        return self.is_open and bool(self.queue)

    @property
    def attempt(self) -> Attempt | None:
        """The last attempt, if there was one."""
        return self.attempts[-1] if self.attempts else None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the image; they are read on first use."""
        if self._parameters is None:
            self._parameters = JobParameters.of(self.id)
        return self._parameters

    @property
    def parameters_item(self) -> JobParameters:
        """The item that stores the parameters of a new job."""
        return JobParameters.new(self.id, self.parameters, job_expires_at=int(self.expires_at))

    def note_execution(self, seconds: float, cost: float | None, number: int = -1) -> None:
        """Note an attempt's execution; it is stored together with the attempt's end."""
        attempt = self.attempts[number]
        attempt.execution_seconds, attempt.cost = round(seconds, 3), cost
        runs = [each for each in self.attempts if each.execution_seconds is not None]
        costs = [each.cost for each in runs]
        self.gpu_seconds = sum(float(each.execution_seconds) for each in runs)
        self.gpu_cost = None if None in costs else float(sum(costs))

    def seconds_on(self, instance_id: str) -> float:
        """Return how long the executions that are noted took on an instance."""
        here = [each for each in self.attempts if each.instance_id == instance_id]
        return sum(float(each.execution_seconds or 0) for each in here)

    @property
    def images_expire_at(self) -> float:
        """Until when the bucket keeps the images, at least."""
        if not config.image_retention_days or self.finished_at is None:
            return inf
        return float(self.finished_at) + config.image_retention_days * DAY_SECONDS

    @property
    def deadline_at(self) -> float:
        """When the job fails, if it has no slot by then or, with a slot, has not ended by then.

        The time of an execution counts from when it runs. While it waits in ComfyUI's own queue,
        those before it may each take as long. A job that lost its slot has at least as much time as
        if it had kept it.
        """
        if self.slot_at is None:
            return float(self.waits_until)
        longest = config.execution_deadline_seconds
        waits = float(self.slot_at) + longest * config.slots_per_gpu
        served_until = waits if self.running_since is None else self.running_since + longest
        return float(max(self.waits_until, served_until) if self.queue else served_until)

    @property
    def has_slot(self) -> bool:
        """Whether the job has a slot, so that the deadline of the execution counts."""
        return self.slot_at is not None and not self.queue

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
        """Make a queued job, not yet stored; the reconciler drives it if no other driver does.

        It waits for a slot for `wait_seconds`, `JOB_DEADLINE_SECONDS` if that is not given.
        """
        waits_until = now + (wait_seconds or config.job_deadline_seconds)
        kept_seconds = config.execution_deadline_seconds + config.job_retention_days * DAY_SECONDS
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
        job.due_shard = job.shard
        for name, value in {**job._status_keys(QUEUED), **job._posted(UNDER_WAY)}.items():
            setattr(job, name, value)
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
        """Return a job and its parameters, read in one call, or raise NotFound as `find` does."""
        return cls.shown(job_id, read_together(cls.kinds(job_id), consistent=True), owner=owner)

    @classmethod
    def kinds(cls, job_id: str) -> dict[str, type[Table]]:
        """Return the classes of the items of a job, by their ids."""
        return {job_id: cls, id_of(job_id): JobParameters}

    @classmethod
    def shown(cls, job_id: str, found: Mapping[str, Table], *, owner: str | None = None) -> "Job":
        """Return a job and its parameters from what was read of `kinds`, or raise NotFound."""
        job, stored = found.get(job_id), found.get(id_of(job_id))
        if not (isinstance(job, Job) and isinstance(stored, JobParameters)):
            raise _missing(job_id)
        if owner not in (None, job.owner):
            raise _missing(job_id)
        job._parameters = stored.values
        return job

    def claim(self, lease: str, *, now: float, until: float) -> None:
        """Take the lease until `until`; raise JobBusy or JobFinished."""
        claimable = Job.status.is_in(*OPEN) & ((Job.due_at <= now) | (Job.lease == lease))
        try:
            self.update([Job.lease.set(lease), Job.due_at.set(until)], condition=claimable)
        except UpdateError as error:
            if not was_refused(error):
                raise
            self.refresh(consistent_read=True)
            if self.is_open:
                raise JobBusy(f"job {self.id} has another driver or is not due yet") from error
            raise JobFinished(f"job {self.id} has already ended: {self.status}") from error
        self._held = lease

    def claim_from_queue(self, lease: str, *, now: float, until: float) -> bool:
        """Take the lease of a job that waits in the queue; return False if it no longer does.

        The job is read by this write. A job that has ended is not in the queue.
        """
        free = Job.lease.does_not_exist() | (Job.due_at <= now) | (Job.lease == lease)
        if not self.update_if(
            Job.queue.exists() & free, Job.lease.set(lease), Job.due_at.set(until)
        ):
            return False
        self._held = lease
        return True

    def put_back(
        self,
        status: str,
        reason: str | None,
        *,
        due_at: float,
        waits_for: str | None = None,
        end_reason: str | None = None,
        sort_key: str | None = None,
    ) -> None:
        """Give up the lease; the job is due again at `due_at`.

        `waits_for` is the code of what the job waits for, `end_reason` that of why its attempt
        ended. `sort_key` puts the job into the queue.
        """
        changes = {
            **self._status_keys(status),
            "status_reason": reason,
            "waits_for": waits_for,
            "lease": None,
            "due_at": due_at,
        }
        if end_reason:
            changes |= {"end_reason": end_reason, **self._runs()}
        if sort_key:
            changes |= self._into_queue(sort_key)
        self._change(changes)

    def return_to_queue(
        self, sort_key: str, reason: str, *, waits_for: str, end_reason: str | None
    ) -> bool:
        """Put a job into the queue, whatever driver it has: that one can then change nothing more.

        Return False if the job has ended, or has had another attempt since it was read.
        """
        unchanged = Job.status.is_in(*OPEN) & (size(Job.attempts) == len(self.attempts))
        changes = {
            **self._status_keys(QUEUED),
            "status_reason": reason,
            "waits_for": waits_for,
            "lease": None,
            "due_at": max(self.deadline_at, self.waits_until),
            **self._into_queue(sort_key),
        }
        if end_reason:
            changes |= {"end_reason": end_reason, **self._runs()}
        return self.update_if(unchanged, *_actions(changes))

    def enter_queue(self, sort_key: str) -> None:
        """Let a new job, which is not stored yet, wait in the queue."""
        self.queue, self.sort_key, self.due_at = QUEUE, sort_key, self.waits_until
        if self.priority == BATCH:
            self.batch_owner = self.owner

    def move(self, sort_key: str) -> bool:
        """Move a job within the queue; return False if it has left the queue or moved since."""
        # It has the new key if this write was done, its response was lost, and it was repeated.
        is_there = (Job.sort_key == self.sort_key) | (Job.sort_key == sort_key)
        unmoved = Job.queue.exists() & Job.lease.does_not_exist() & is_there
        return self.update_if(unmoved, Job.sort_key.set(sort_key))

    def expire(self, error: dict[str, Any], *, now: float) -> bool:
        """End a job that has waited too long; return False if it waits no longer.

        A job that a driver has claimed is left to it.
        """
        waits = Job.queue.exists() & Job.slot_at.does_not_exist() & (Job.waits_until <= now)
        undriven = Job.lease.does_not_exist() | (Job.due_at <= now)
        ended = {**self._ended(FAILED, now), "error": error, "lease": None}
        return self.update_if(waits & undriven, *_actions(ended))

    def become_unreachable(self, reason: str, *, now: float, due_at: float) -> None:
        """Put back a job whose ComfyUI does not answer, and note since when."""
        changes = {
            "status_reason": reason,
            "waits_for": COMFYUI_UNREACHABLE,
            "lease": None,
            "due_at": due_at,
        }
        self._change(changes, Job.unreachable_since.set(Job.unreachable_since | now))

    def begin_attempt(self, attempt: Attempt, *, queue_position: int) -> None:
        """Store an attempt before it is submitted, so that its loss is noticed."""
        write = self.beginning(attempt, queue_position=queue_position)
        try:
            self._write(write)
        except LeaseLost:
            # The write was done if its first response was lost and it was repeated.
            self.refresh(consistent_read=True)
            if self.lease != self._held or not self.attempt or self.attempt.id != attempt.id:
                raise

    def beginning(self, attempt: Attempt, *, queue_position: int) -> Write:
        """Return the write that stores an attempt."""
        now = attempt.started_at
        changes = {
            **self._resumed(queue_position),
            # All attempts, as the execution of the one before may have to be stored with this.
            "attempts": [*self.attempts, attempt],
            # A job from the queue had no slot: its time with a slot begins again.
            "slot_at": now if self.queue else self.slot_at or now,
            "running_since": None if queue_position else now,
            "started_at": self.started_at or now,
            "progressed_at": now,
            "end_reason": None,
            "progress": None,
        }
        return Write(changes, self._is_held & (size(Job.attempts) == len(self.attempts)))

    def resume(self, *, queue_position: int, now: float) -> None:
        """Note that ComfyUI still has the attempt."""
        self._change(self._resumed(queue_position), self._running(queue_position, now))

    def report(
        self, progress: dict[str, Any] | None, *, queue_position: int, now: float, until: float
    ) -> None:
        """Store the progress of the image, or its position in ComfyUI's queue, for callers to see.

        `now` is when ComfyUI last showed progress; the lease is extended to `until`.
        """
        changes = {
            **self._status_keys(QUEUED if queue_position else RUNNING),
            "progress": progress,
            "queue_position": queue_position,
            "progressed_at": now,
            "due_at": until,
        }
        self._change(changes, self._running(queue_position, now))

    def succeed(self, images: list[dict[str, Any]], *, now: float) -> None:
        """End the job with its stored images."""
        self._write(self.success(images, now=now))

    def success(self, images: list[dict[str, Any]], *, now: float) -> Write:
        """Return the write that ends the job with its stored images."""
        made = {"images": images, "image_count": len(images), "error": None}
        changes = {**self._ended(SUCCEEDED, now), **made, **self._runs(), "lease": None}
        return Write(changes, self._is_held)

    def wrote(self, write: Write) -> None:
        """Note a write that was made together with others, of which DynamoDB returns nothing."""
        for name, value in write.changes.items():
            setattr(self, name, value)

    def fail(self, error: dict[str, Any], *, now: float) -> None:
        """End the job without images; `error` is what the caller reads."""
        ended = self._ended(FAILED, now)
        self._change({**ended, **self._runs(), "error": error, "lease": None})

    def book(self) -> None:
        """Store executions that were noted after the job's end; harmless if they are stored."""
        self.update_if(Job.gpu_seconds < self.gpu_seconds, *_actions(self._runs()))

    def cancel(self, error: dict[str, Any], *, now: float) -> None:
        """End the job, whatever driver it has: that driver can then change nothing more.

        `lease` and `due_at` stay: until `due_at` the driver may not know that the job has ended.
        Raise JobFinished when it has already ended.
        """
        try:
            ended = {**self._ended(CANCELED, now), "error": error}
            self._write(Write(ended, Job.status.is_in(*OPEN)))
        except LeaseLost as lost:
            self.refresh(consistent_read=True)
            raise JobFinished(f"job {self.id} has already ended: {self.status}") from lost

    def _status_keys(self, status: str) -> dict[str, str]:
        """Return the status, and the job's keys in the indexes by status."""
        return {
            "status": status,
            "status_shard": f"{status}#{self.shard}",
            "owner_status_shard": f"{self.owner}#{status}#{self.shard}",
        }

    def _posted(self, state: str) -> dict[str, str]:
        """Return the job's keys in the indexes of posts."""
        if not self.post_id:
            return {}
        return {
            "post_state": f"{self.post_id}#{state}",
            "owner_post_state": f"{self.owner}#{self.post_id}#{state}",
        }

    def _runs(self) -> Changes:
        """Return changes that store noted executions with an attempt's end: each counts once."""
        if not self.attempts:
            return {}
        return {
            "attempts": self.attempts,
            "gpu_seconds": self.gpu_seconds,
            "gpu_cost": self.gpu_cost,
        }

    def _into_queue(self, sort_key: str) -> Changes:
        entered = {"queue": QUEUE, "sort_key": sort_key}
        return {**entered, "batch_owner": self.owner} if self.priority == BATCH else entered

    def _running(self, queue_position: int, now: float) -> Action:
        """Return the action that notes since when the attempt runs, if it does."""
        since = Job.running_since
        # A position that was stored as 0 may have been wrong, as another job was faster.
        return since.remove() if queue_position else since.set(since | now)

    def _resumed(self, queue_position: int) -> Changes:
        over = ("queue", "batch_owner", "status_reason", "waits_for", "unreachable_since")
        return {
            **self._status_keys(QUEUED if queue_position else RUNNING),
            "queue_position": queue_position,
            **dict.fromkeys(over),
        }

    def _ended(self, status: str, now: float) -> Changes:
        waiting = ("queue", "batch_owner", "due_shard", "status_reason", "waits_for")
        running = ("end_reason", "progress", "queue_position", "unreachable_since")
        return {
            **self._status_keys(status),
            **self._off_posts(status),
            **dict.fromkeys((*waiting, *running)),
            "finished_at": now,
        }

    def _off_posts(self, status: str) -> Changes:
        if status == SUCCEEDED:
            return {**self._posted(MADE)}
        return {**dict.fromkeys(self._posted(UNDER_WAY))}

    @property
    def _is_held(self) -> Condition:
        """Whether this object's lease is the job's, and the job is open."""
        held: Condition = (Job.lease == self._held) & Job.status.is_in(*OPEN)
        return held

    def _change(self, changes: Changes, *more: Action) -> None:
        self._write(Write(changes, self._is_held), *more)

    def _write(self, write: Write, *more: Action) -> None:
        try:
            self.update([*write.actions, *more], condition=write.condition)
        except UpdateError as error:
            if not was_refused(error):
                raise
            raise LeaseLost(f"job {self.id} has changed or has another driver") from error


def _actions(changes: Changes) -> list[Action]:
    return [set_or_remove(getattr(Job, name), value) for name, value in changes.items()]


def _missing(job_id: str) -> NotFound:
    return NotFound(f"job {job_id[:64]} does not exist", title="Job not found")


# Job declares the indexes, by which PynamoDB describes the table.
JobParameters.beside = Job

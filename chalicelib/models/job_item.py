"""A job as an item of its table."""

from math import inf
from typing import Any

from pynamodb.attributes import ListAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.config import config
from chalicelib.errors import LeaseLost
from chalicelib.models.attempt import Attempt
from chalicelib.models.job_index import MADE, UNDER_WAY
from chalicelib.models.job_parameters import JobParameters
from chalicelib.models.job_status import BUDGET_EXHAUSTED, OPEN, QUEUED, RUNNING, SUCCEEDED
from chalicelib.models.json_text import JsonText
from chalicelib.models.table import Table, set_or_remove, was_refused


class JobItem(Table):
    """A request for one image, from the moment it was accepted; terminal statuses are final.

    Times are seconds since the epoch. While `lease` is set, its owner drives the job until
    `due_at`; without a lease, `due_at` is when somebody should drive it next. While `line` is
    set, the job waits at its `place` for a seat on a GPU. `spent` is why its last attempt is
    over, `waits_for` the code of what keeps it from its end. `place` stays when the job leaves the
    line, and is where it stands should it have to come back. It waits for a seat until
    `waits_until`.
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
    style_id = NumberAttribute(null=True)
    owner = UnicodeAttribute(default="nobody")
    line = UnicodeAttribute(null=True)
    place = UnicodeAttribute(null=True)
    owner_shard = UnicodeAttribute()
    owner_status_shard = UnicodeAttribute()
    post_state = UnicodeAttribute(null=True)
    owner_post_state = UnicodeAttribute(null=True)
    parameters_bytes = NumberAttribute(default=0)
    attempts: ListAttribute[Attempt] = ListAttribute(of=Attempt, default=list)
    spent = UnicodeAttribute(null=True)
    gpu_seconds = NumberAttribute(default=0)
    gpu_cost = NumberAttribute(null=True, default_for_new=0)  # None is not known
    images = JsonText(default=list)
    image_count = NumberAttribute(default=0)
    error = JsonText(null=True)
    progress = JsonText(null=True)
    queue_position = NumberAttribute(null=True)
    created_at = NumberAttribute()
    waits_until = NumberAttribute()
    seated_at = NumberAttribute(null=True)
    started_at = NumberAttribute(null=True)
    progressed_at = NumberAttribute(null=True)
    silent_since = NumberAttribute(null=True)
    finished_at = NumberAttribute(null=True)
    lease = UnicodeAttribute(null=True)
    due_at = NumberAttribute()
    expires_at = NumberAttribute()

    # What this object may write under: `lease` is re-read, and may then be another driver's.
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
    def waits_in_line(self) -> bool:
        """Whether it needs no message, as whoever frees a seat calls it, or the keeper."""
        is_called = self.waits_for in (None, BUDGET_EXHAUSTED)
        return bool(self.line) and self.status == QUEUED and is_called

    @property
    def attempt(self) -> Attempt | None:
        """The submission that counts now, if there was one."""
        return self.attempts[-1] if self.attempts else None

    @property
    def parameters(self) -> dict[str, Any]:
        """What the job is to make; read when it is first asked for."""
        if self._parameters is None:
            self._parameters = JobParameters.of(self.id)
        return self._parameters

    @property
    def parameters_item(self) -> JobParameters:
        """The item that has the parameters of a new job."""
        return JobParameters.new(self.id, self.parameters, job_expires_at=int(self.expires_at))

    def note_run(self, seconds: float, cost: float | None) -> None:
        """Remember the last attempt's run; it is written together with the attempt's end."""
        self.attempts[-1].run_seconds, self.attempts[-1].cost = round(seconds, 3), cost
        runs = [each for each in self.attempts if each.run_seconds is not None]
        costs = [each.cost for each in runs]
        self.gpu_seconds = sum(float(each.run_seconds) for each in runs)
        self.gpu_cost = None if None in costs else float(sum(costs))

    @property
    def images_expire_at(self) -> float:
        """Until when the bucket keeps its images at least."""
        if not config.image_retention_days or self.finished_at is None:
            return inf
        return float(self.finished_at) + config.image_retention_days * 86_400

    @property
    def deadline_at(self) -> float:
        """When the job fails: if it has no seat by then, or else if it has not ended by then.

        One that had its seat in time, and lost it, has as much time as if it had kept it.
        """
        if self.seated_at is None:
            return float(self.waits_until)
        served_until = self.seated_at + config.run_deadline_seconds
        return float(max(self.waits_until, served_until) if self.line else served_until)

    @property
    def is_seated(self) -> bool:
        """Whether a GPU has it, so that the run's deadline counts."""
        return self.seated_at is not None and not self.line

    def _to(self, status: str) -> list[Action]:
        return [
            getattr(JobItem, name).set(value) for name, value in self._places_of(status).items()
        ]

    def _places_of(self, status: str) -> dict[str, str]:
        """Return the status, and where the indexes have the jobs of this status."""
        return {
            "status": status,
            "status_shard": f"{status}#{self.shard}",
            "owner_status_shard": f"{self.owner}#{status}#{self.shard}",
        }

    def _posted(self, state: str) -> dict[str, str]:
        """Return where the indexes of posts have the job."""
        if not self.post_id:
            return {}
        return {
            "post_state": f"{self.post_id}#{state}",
            "owner_post_state": f"{self.owner}#{self.post_id}#{state}",
        }

    def _runs(self) -> list[Action]:
        """Write with an end what was noted of its run, so that no run counts twice or never."""
        if not self.attempts:
            return []
        return [
            JobItem.attempts.set(self.attempts),
            JobItem.gpu_seconds.set(self.gpu_seconds),
            set_or_remove(JobItem.gpu_cost, self.gpu_cost),
        ]

    def _resumed(self, queue_position: int) -> list[Action]:
        over = (JobItem.line, JobItem.status_reason, JobItem.waits_for, JobItem.silent_since)
        return [
            *self._to(QUEUED if queue_position else RUNNING),
            JobItem.queue_position.set(queue_position),
            *(attribute.remove() for attribute in over),
        ]

    def _ended(self, status: str, now: float, *actions: Action) -> list[Action]:
        waiting = (JobItem.line, JobItem.status_reason, JobItem.waits_for)
        running = (JobItem.spent, JobItem.progress, JobItem.queue_position, JobItem.silent_since)
        return [
            *self._to(status),
            *self._off_posts(status),
            *actions,
            *(attribute.remove() for attribute in (*waiting, *running)),
            JobItem.finished_at.set(now),
        ]

    def _off_posts(self, status: str) -> list[Action]:
        if status == SUCCEEDED:
            return [getattr(JobItem, name).set(to) for name, to in self._posted(MADE).items()]
        return [getattr(JobItem, name).remove() for name in self._posted(UNDER_WAY)]

    def _change(self, actions: list[Action], condition: Condition | None = None) -> None:
        held = JobItem.lease == self._held
        self._write(actions, held if condition is None else held & condition)

    def _write(self, actions: list[Action], condition: Condition) -> None:
        try:
            self.update(actions, condition=condition & JobItem.status.is_in(*OPEN))
        except UpdateError as error:
            if not was_refused(error):
                raise
            raise LeaseLost(f"job {self.id} is no longer ours to change") from error

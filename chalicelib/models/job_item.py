"""A job as an item of its table."""

from math import inf
from typing import Any

from pynamodb.attributes import JSONAttribute, ListAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.config import config
from chalicelib.errors import LeaseLost
from chalicelib.models.attempt import Attempt
from chalicelib.models.job_status import OPEN, QUEUED, RUNNING
from chalicelib.models.table import Table, was_refused


class JobItem(Table):
    """A request for one image, from the moment it was accepted; terminal statuses are final.

    Times are seconds since the epoch. While `lease` is set, its owner drives the job until
    `due_at`; without a lease, `due_at` is when somebody should drive it next. While `line` is
    set, the job waits at its `place` for a seat on a GPU. `spent` is why its last attempt is
    over, `waits_for` the code of what keeps it from its end. `place` stays when the job leaves the
    line, and is where it stands should it have to come back.
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
    parameters = JSONAttribute()
    attempts: ListAttribute[Attempt] = ListAttribute(of=Attempt, default=list)
    spent = UnicodeAttribute(null=True)
    images = JSONAttribute(default=list)
    error = JSONAttribute(null=True)
    progress = JSONAttribute(null=True)
    queue_position = NumberAttribute(null=True)
    created_at = NumberAttribute()
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

    @property
    def held_lease(self) -> str | None:
        """The lease under which this object may change the job, if it has one."""
        return self._held or None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def waits_in_line(self) -> bool:
        """Whether it needs no message, as whoever frees a seat calls it."""
        return bool(self.line) and self.status == QUEUED and not self.waits_for

    @property
    def attempt(self) -> Attempt | None:
        """The submission that counts now, if there was one."""
        return self.attempts[-1] if self.attempts else None

    @property
    def gpu_seconds(self) -> float:
        """How long its runs had a GPU, those that failed too, as far as ComfyUI told."""
        return sum(float(each.run_seconds or 0) for each in self.attempts)

    @property
    def gpu_cost(self) -> float | None:
        """What its runs cost in dollars; None if a price is not known."""
        costs = [each.cost for each in self.attempts if each.run_seconds is not None]
        return None if None in costs else float(sum(costs))

    def note_run(self, seconds: float, cost: float | None) -> None:
        """Remember the last attempt's run; it is written together with the attempt's end."""
        self.attempts[-1].run_seconds, self.attempts[-1].cost = round(seconds, 3), cost

    @property
    def images_expire_at(self) -> float:
        """Until when the bucket keeps its images at least."""
        if not config.image_retention_days or self.finished_at is None:
            return inf
        return float(self.finished_at) + config.image_retention_days * 86_400

    @property
    def deadline_at(self) -> float:
        """When the job fails if it has not ended: in all, and for as long as a GPU has it."""
        latest = self.created_at + config.job_deadline_seconds
        if self.line or self.seated_at is None:
            return float(latest)
        return float(min(latest, self.seated_at + config.run_deadline_seconds))

    def _to(self, status: str) -> list[Action]:
        return [JobItem.status.set(status), JobItem.status_shard.set(f"{status}#{self.shard}")]

    def _runs(self) -> list[Action]:
        """Write with an end what was noted of its run, so that no run counts twice or never."""
        return [JobItem.attempts.set(self.attempts)] if self.attempts else []

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
            *actions,
            *(attribute.remove() for attribute in (*waiting, *running)),
            JobItem.finished_at.set(now),
        ]

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


def set_or_remove(attribute: Any, value: Any) -> Action:
    """None is not stored, so that a condition may ask whether there is a value."""
    action: Action = attribute.remove() if value is None else attribute.set(value)
    return action

"""The record of a GPU instance, and the ways in which it may change; boots.py has the others."""

from typing import NamedTuple

from pynamodb.attributes import (
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.exceptions import DeleteError
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action

from chalicelib.config import config
from chalicelib.days import day_start
from chalicelib.models.json_text import JsonText
from chalicelib.models.table import Table, set_or_remove, was_refused

# Longer than the reconciler's period: an instance not seen for so long may have been off.
GAP_SECONDS = 200

START_SECONDS = 60  # at most, from the request to start to the launch time that EC2 reports

_NEWEST_WEIGHT = 0.2  # of the newest value in a moving average

# Items whose ids begin with this are not instances.
OTHER = ":"


class Description(NamedTuple):
    """What EC2 says of an instance; `is_kept` is whether it has the tag `darkroom:keep`."""

    instance_type: str
    zone: str | None
    is_kept: bool


class InstanceRecord(Table):
    """A GPU instance: its state and since when, its jobs and its health. Changes are single writes.

    Times are seconds since the epoch. `jobs` have a slot on the instance: they run, or wait in its
    ComfyUI's own queue. It last served a job at `served_at`, and was last not idle at `used_at`.
    No other job gets a slot before `draining_until`, as the instance is about to stop, nor since
    `stop_requested_at`, when an administrator asked for its stop (models/fleet/stops.py).
    `unhealthy_attempt` is the attempt that shows, since `unhealthy_since`, that ComfyUI has to be
    restarted. The instance has been on since `on_since`, ready since `ready_at`, and without an
    answer since `unreachable_since`. No job gets a slot from `budget_ends_at` to the end of that
    day in UTC, as the budget is used up. `unhealthy_reason` says for people what is wrong with it.
    `follower` is the lease of the instance's follower until `follower_until`; while
    `follower_leaves` is set, another one may take it. One was called at `called_at`.

    Its latest start was at `started_at`, also while it is off again. The values of `failed_start`,
    `logged_start` and `reported_start` are that time once the boot has failed, its failure is
    logged, and its report is read. `failed_boots` is how many boots in a row have failed; after
    three it is not started before `unhealthy_until`. `boot_steps` are the seconds of the steps that
    the start at `reported_start` reported, and `boot_failed` is whether that boot failed.
    `boot_seconds` is a moving average, `former_boot_seconds` the
    one before the latest start. `scarce_types` are the types for which EC2 took back a start for
    lack of capacity, each with the time until which it is not preferred. The instance was last
    stopped with force at `forced_at`.

    `instance_type`, `zone` and `is_kept` are as EC2 last described the instance. `day_usage` is
    what is booked for it on its newest day (models/usage.py).
    """

    class Meta:
        table_name = config.fleet_table

    id = UnicodeAttribute(hash_key=True)
    follower = UnicodeAttribute(null=True)
    follower_until = NumberAttribute(null=True)
    follower_leaves = UnicodeAttribute(null=True)
    called_at = NumberAttribute(null=True)
    state = UnicodeAttribute(default="")
    since = NumberAttribute(default=0)
    seen_at = NumberAttribute(default=0)
    used_at = NumberAttribute(null=True)
    unhealthy_reason = UnicodeAttribute(null=True)
    jobs = UnicodeSetAttribute(null=True)
    served_at = NumberAttribute(null=True)
    checkpoint = UnicodeAttribute(null=True)
    unhealthy_attempt = UnicodeAttribute(null=True)
    unhealthy_since = NumberAttribute(null=True)
    execution_seconds = NumberAttribute(null=True)
    boot_seconds = NumberAttribute(null=True)
    former_boot_seconds = NumberAttribute(null=True)
    execution_total_seconds = NumberAttribute(null=True)
    accounted_at = NumberAttribute(null=True)
    accounted_execution_seconds = NumberAttribute(null=True)
    draining_until = NumberAttribute(null=True)
    stop_requested_at = NumberAttribute(null=True)
    budget_ends_at = NumberAttribute(null=True)
    on_since = NumberAttribute(null=True)
    ready_at = NumberAttribute(null=True)
    unreachable_since = NumberAttribute(null=True)
    started_at = NumberAttribute(null=True)
    failed_start = NumberAttribute(null=True)
    logged_start = NumberAttribute(null=True)
    reported_start = NumberAttribute(null=True)
    boot_steps = JsonText(null=True)
    boot_failed = BooleanAttribute(null=True)
    failed_boots = NumberAttribute(default=0)
    unhealthy_until = NumberAttribute(null=True)
    scarce_types = JsonText(null=True)
    forced_at = NumberAttribute(null=True)
    instance_type = UnicodeAttribute(null=True)
    zone = UnicodeAttribute(null=True)
    is_kept = BooleanAttribute(null=True)
    day_usage = JsonText(null=True)

    @property
    def description(self) -> Description:
        """What EC2 said of it at its last observation."""
        return Description(self.instance_type or "", self.zone, bool(self.is_kept))

    @property
    def slot_holders(self) -> set[str]:
        """The ids of the jobs that have a slot."""
        return set(self.jobs or ())

    @property
    def free_slots(self) -> int:
        return max(config.slots_per_gpu - len(self.slot_holders), 0)

    def serves(self, now: float) -> bool:
        """Return whether it takes jobs, as it was last observed."""
        is_healthy = self.unreachable_since is None and self.unhealthy_attempt is None
        return self.ready_at is not None and is_healthy and not self.is_draining(now)

    def is_draining(self, now: float) -> bool:
        """Return whether it takes no more jobs because it stops, or the budget is used up."""
        return self.is_stopping(now) or self.is_past_budget(now)

    def is_stopping(self, now: float) -> bool:
        """Return whether it is about to stop, or a stop was requested."""
        return self.stop_requested_at is not None or (self.draining_until or 0) > now

    def is_followed(self, now: float) -> bool:
        """Return whether it has a follower that is not about to leave."""
        return (self.follower_until or 0) > now and self.follower_leaves is None

    def is_past_budget(self, now: float) -> bool:
        """Return whether the record says that the day's budget is used up."""
        ends_at = self.budget_ends_at
        return ends_at is not None and day_start(now) <= ends_at <= now

    @classmethod
    def read(cls, instance_id: str) -> "InstanceRecord":
        """Return an instance's record, a new one if there is none."""
        return next(cls.query(instance_id, consistent_read=True), cls(instance_id))

    @classmethod
    def all(cls) -> list["InstanceRecord"]:
        """Return all records by a scan: the table has one item for each instance."""
        found = cls.scan(consistent_read=True)
        return [each for each in found if not each.id.startswith(OTHER)]

    def note(
        self,
        state: str,
        *,
        now: float,
        is_on: bool,
        is_idle: bool = False,
        launched_at: float | None = None,
        description: Description | None = None,
    ) -> float:
        """Note the state; return since when it has been the same without a gap.

        `launched_at` is when EC2 last started the instance, at anyone's request. `description` is
        what else EC2 says of it.
        """
        record = InstanceRecord
        was_missed = now - self.seen_at > GAP_SECONDS
        since = now if was_missed or self.state != state else self.since
        actions: list[Action] = [
            record.state.set(state),
            record.since.set(since),
            record.seen_at.set(now),
        ]
        if is_on and self._is_another_start(now, launched_at):
            actions += self._on_from(now)
        elif was_missed or not is_idle or self.used_at is None:
            actions.append(record.used_at.set(now))
        self.update(actions + _described(description))
        return float(since)

    def _is_another_start(self, now: float, launched_at: float | None) -> bool:
        if self.on_since is None:
            return True
        if launched_at is not None:
            return bool(launched_at > self.on_since + START_SECONDS)
        # It was not seen for so long that it may have been off and on again.
        return bool(now - self.seen_at > GAP_SECONDS and self.on_since <= self.seen_at)

    def started(self, *, now: float, instance_type: str | None = None) -> None:
        """Note that EC2 was asked to start it, as this type."""
        actions = self._on_from(now)
        if instance_type:
            actions.append(InstanceRecord.instance_type.set(instance_type))
        self.update(actions)

    def become_unreachable(self, *, now: float) -> None:
        """Note that it does not answer, if it was ready."""
        record = InstanceRecord
        unreachable_since = record.unreachable_since.set(record.unreachable_since | now)
        if self.unreachable_since is None:
            self.update_if(record.ready_at.exists(), unreachable_since)

    def answered(self) -> None:
        """Note that it answers again."""
        if self.unreachable_since is not None:
            self.update([InstanceRecord.unreachable_since.remove()])

    def became_ready(self, *, now: float) -> None:
        """Note that it is ready, and how long it took to boot; a report says that more exactly."""
        record = InstanceRecord
        actions: list[Action] = [
            record.ready_at.set(now),
            record.failed_boots.set(0),
            record.unhealthy_until.remove(),
            record.unhealthy_reason.remove(),
        ]
        if self.on_since is None:  # somebody else started it
            times = (record.on_since, record.started_at, record.used_at)
            actions += [each.set(now) for each in times]
        else:
            seconds = averaged(self.boot_seconds, now - self.on_since)
            former = set_or_remove(record.former_boot_seconds, self.boot_seconds)
            actions += [record.boot_seconds.set(seconds), former]
        if not self.update_if(record.ready_at.does_not_exist(), *actions):
            self.ready_at = now  # another function has noted it since this record was read

    def mark_unhealthy(self, reason: str, *, now: float) -> None:
        """Note why an instance that is on will not become ready."""
        record = InstanceRecord
        on_since = record.on_since | now
        begun = [record.on_since.set(on_since), record.started_at.set(on_since)]
        self.update([record.unhealthy_reason.set(reason), *begun])

    def acquire_slot(
        self, job_id: str, *, now: float, checkpoint: str = "", storing: int = 0
    ) -> bool:
        """Give a job a slot if one is free, unless the instance drains or the budget has ended.

        Return whether the job has one. A job that has a slot keeps it. `storing` jobs with a slot
        take no place in ComfyUI any more: their images are being stored.
        """
        allowed, actions = self.taking_slot(job_id, now=now, checkpoint=checkpoint, storing=storing)
        return self.update_if(allowed, *actions)

    def taking_slot(
        self, job_id: str, *, now: float, checkpoint: str, storing: int = 0
    ) -> tuple[Condition, list[Action]]:
        """Return the condition and the actions of `acquire_slot`."""
        record = InstanceRecord
        free = record.jobs.does_not_exist() | (size(record.jobs) < config.slots_per_gpu + storing)
        stays = record.draining_until.does_not_exist() | (record.draining_until <= now)
        ends_at = record.budget_ends_at
        paid = ends_at.does_not_exist() | (ends_at > now) | (ends_at < day_start(now))
        stays_on = record.stop_requested_at.does_not_exist()
        allowed = (free & stays & stays_on & paid) | record.jobs.contains(job_id)
        return allowed, [record.jobs.add({job_id}), record.checkpoint.set(checkpoint)]

    def drain_if_empty(self, *, until: float) -> bool:
        """Give out no more slots; return False, and do nothing, if a job has one."""
        no_job = InstanceRecord.jobs.does_not_exist()
        return self.update_if(no_job, InstanceRecord.draining_until.set(until))

    def drain(self, *, until: float) -> None:
        """Give out no more slots, even if jobs have some: the instance has to stop."""
        self.update([InstanceRecord.draining_until.set(until)])

    def set_budget_end(self, ends_at: float | None) -> None:
        """Give out no slots from `ends_at` to the end of its day; None lifts this."""
        self.update([set_or_remove(InstanceRecord.budget_ends_at, ends_at)])

    def release_slot(
        self, job_id: str, *, now: float | None = None, spent_seconds: float = 0
    ) -> None:
        """Free a job's slot; harmless if it has none.

        `spent_seconds` is how long all executions of the job took here; it is added only while the
        job has the slot, so once.
        """
        record = InstanceRecord
        freed = self.freeing_slot(job_id, now=now)
        spent = record.execution_total_seconds.add(round(spent_seconds, 3))
        has_slot = record.jobs.contains(job_id)
        if not (spent_seconds and self.update_if(has_slot, *freed, spent)):
            self.update(freed)

    def freeing_slot(
        self, job_id: str, *, now: float | None, execution_seconds: float | None = None
    ) -> list[Action]:
        """Return the actions that free a job's slot.

        `execution_seconds` is how long an image took, if there is one.
        """
        record = InstanceRecord
        actions: list[Action] = [record.jobs.delete({job_id})]
        if now is not None:
            actions.append(record.served_at.set(now))
        if execution_seconds is not None:
            actions.append(
                record.execution_seconds.set(averaged(self.execution_seconds, execution_seconds))
            )
        return actions

    def mark_unhealthy_by(self, attempt_id: str, *, now: float) -> None:
        """Mark the instance as unhealthy while this attempt shows that its ComfyUI is broken."""
        record = InstanceRecord
        self.update([record.unhealthy_attempt.set(attempt_id), record.unhealthy_since.set(now)])

    def mark_healthy(self) -> None:
        """Remove the mark of an unhealthy attempt, unless it is now that of another attempt."""
        record = InstanceRecord
        unchanged = record.unhealthy_attempt == self.unhealthy_attempt
        self.update_if(
            unchanged, record.unhealthy_attempt.remove(), record.unhealthy_since.remove()
        )

    def forget(self) -> None:
        """Delete the record of a terminated instance, unless jobs still have slots."""
        try:
            self.delete(condition=InstanceRecord.jobs.does_not_exist())
        except DeleteError as error:
            if not was_refused(error):
                raise

    def _on_from(self, now: float) -> list[Action]:
        record = InstanceRecord
        past = (record.ready_at, record.unhealthy_reason, record.checkpoint)
        stops = (record.draining_until, record.stop_requested_at)
        gone = (*past, *stops, record.unreachable_since)
        begun = [each.set(now) for each in (record.on_since, record.started_at, record.used_at)]
        return [*begun, *(each.remove() for each in gone)]


def _described(description: Description | None) -> list[Action]:
    if description is None:
        return []
    record = InstanceRecord
    return [
        set_or_remove(record.instance_type, description.instance_type or None),
        set_or_remove(record.zone, description.zone),
        record.is_kept.set(description.is_kept),
    ]


def averaged(before: float | None, newest: float) -> float:
    average = newest if before is None else before + (newest - before) * _NEWEST_WEIGHT
    return round(average, 3)

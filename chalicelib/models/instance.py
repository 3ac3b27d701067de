"""What we know of each GPU instance beyond what EC2 tells."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.exceptions import DeleteError, UpdateError
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action

from chalicelib.config import config
from chalicelib.models.table import Table, was_refused

# Longer than the keeper's period: what was not seen for so long may have been off meanwhile.
GAP_SECONDS = 200

_NEWEST_WEIGHT = 0.2  # of the newest in the average of recent ones

# Items of the table whose ids begin so are no instances.
OTHER = ":"


class InstanceRecord(Table):
    """An instance's state and since when, and what it serves; times in seconds since the epoch.

    `jobs` are those that have a seat on it: they run, or wait in its ComfyUI's own queue; it
    served one last at `served_at`. No other gets a seat before `draining_until`, as the instance
    is about to stop. `suspect` is the attempt whose fate tells that its ComfyUI has to be started
    anew. It is on since `on_since`, and has been ready since `ready_at`; `failed_boots` came one
    after another, and after some it is left alone until `unhealthy_until`. `why` says for people
    what is wrong with it.
    """

    class Meta:
        table_name = config.fleet_table

    id = UnicodeAttribute(hash_key=True)
    state = UnicodeAttribute(default="")
    since = NumberAttribute(default=0)
    seen_at = NumberAttribute(default=0)
    why = UnicodeAttribute(null=True)
    jobs = UnicodeSetAttribute(null=True)
    served_at = NumberAttribute(null=True)
    checkpoint = UnicodeAttribute(null=True)
    suspect = UnicodeAttribute(null=True)
    suspected_at = NumberAttribute(null=True)
    run_seconds = NumberAttribute(null=True)
    boot_seconds = NumberAttribute(null=True)
    run_total_seconds = NumberAttribute(null=True)
    accounted_at = NumberAttribute(null=True)
    accounted_run_seconds = NumberAttribute(null=True)
    draining_until = NumberAttribute(null=True)
    on_since = NumberAttribute(null=True)
    ready_at = NumberAttribute(null=True)
    failed_boots = NumberAttribute(default=0)
    unhealthy_until = NumberAttribute(null=True)

    @classmethod
    def read(cls, instance_id: str) -> "InstanceRecord":
        """Return what is known, which may be nothing."""
        return next(cls.query(instance_id, consistent_read=True), cls(instance_id))

    @classmethod
    def all(cls) -> list["InstanceRecord"]:
        """Return all records: the table has one item for each instance."""
        return [each for each in cls.scan() if not each.id.startswith(OTHER)]

    @property
    def seated(self) -> set[str]:
        """The ids of the jobs that have a seat."""
        return set(self.jobs or ())

    def note(self, state: str, *, now: float, is_on: bool) -> float:
        """Note the state; return since when it has been so without a break."""
        record = InstanceRecord
        since = self.since
        if now - self.seen_at > GAP_SECONDS:
            since = now
        elif self.state != state:
            # If it served a job since it was last seen, it has been so since then.
            since = self.served_at if self._has_served else now
        actions: list[Action] = [
            record.state.set(state),
            record.since.set(since),
            record.seen_at.set(now),
        ]
        if is_on and self.on_since is None:
            actions += [record.on_since.set(now), record.why.remove()]
        elif not is_on:
            actions += [record.on_since.remove(), record.ready_at.remove()]
        self.update(actions)
        return float(since)

    @property
    def _has_served(self) -> bool:
        return self.served_at is not None and self.served_at >= self.seen_at and not self.jobs

    def started(self, *, now: float) -> None:
        """Note that EC2 was asked to start it."""
        record = InstanceRecord
        self.update([record.on_since.set(now), record.ready_at.remove(), record.why.remove()])

    def became_ready(self, *, now: float) -> None:
        """Note that ComfyUI serves from now on, and for how long it booted."""
        record = InstanceRecord
        actions: list[Action] = [
            record.ready_at.set(now),
            record.failed_boots.set(0),
            record.why.remove(),
        ]
        if self.on_since is not None:
            seconds = _averaged(self.boot_seconds, now - self.on_since)
            actions.append(record.boot_seconds.set(seconds))
        self._try(actions, record.ready_at.does_not_exist())

    def ail(self, why: str, *, now: float) -> None:
        """Note what keeps an instance that is on from ever being ready."""
        on_since = InstanceRecord.on_since
        self.update([InstanceRecord.why.set(why), on_since.set(on_since | now)])

    def boot_failed(self, why: str, *, unhealthy_until: float | None) -> None:
        """Count a boot that came to nothing; the instance is left alone for some time."""
        record = InstanceRecord
        failed = record.failed_boots.set(self.failed_boots + 1)
        self.update([failed, record.why.set(why), _set_or_remove(unhealthy_until)])

    def seat(self, job_id: str, *, now: float, checkpoint: str = "") -> bool:
        """Give a job a seat if one is free; it keeps the one that it has."""
        record = InstanceRecord
        free = record.jobs.does_not_exist() | (size(record.jobs) < config.gpu_seats)
        stays = record.draining_until.does_not_exist() | (record.draining_until <= now)
        allowed = (free & stays) | record.jobs.contains(job_id)
        actions: list[Action] = [record.jobs.add({job_id}), record.checkpoint.set(checkpoint)]
        return self._try(actions, allowed)

    def drain(self, *, until: float) -> bool:
        """Let no job have a seat any more, unless one has: then the instance may not stop."""
        no_job = InstanceRecord.jobs.does_not_exist()
        return self._try([InstanceRecord.draining_until.set(until)], no_job)

    def reclaim(self, why: str, *, until: float) -> None:
        """Let no other job have a seat: the instance goes, whatever it does."""
        record = InstanceRecord
        self.update([record.draining_until.set(until), record.why.set(why)])

    def unseat(
        self, job_id: str, *, now: float | None = None, run_seconds: float | None = None
    ) -> None:
        """Free a job's seat, harmless if it has none; note how long its run took, if it ran."""
        record = InstanceRecord
        actions: list[Action] = [record.jobs.delete({job_id})]
        if now is not None:
            actions.append(record.served_at.set(now))
        if run_seconds is not None:
            actions.append(record.run_seconds.set(_averaged(self.run_seconds, run_seconds)))
            actions.append(record.run_total_seconds.add(round(run_seconds, 3)))
        self.update(actions)

    def distrust(self, attempt_id: str, *, now: float) -> None:
        """Take the instance for broken for as long as its ComfyUI has this attempt."""
        record = InstanceRecord
        self.update([record.suspect.set(attempt_id), record.suspected_at.set(now)])

    def trust(self) -> None:
        """Forget the suspicion, unless there is a new one."""
        record = InstanceRecord
        self._try(
            [record.suspect.remove(), record.suspected_at.remove()],
            record.suspect == self.suspect,
        )

    def forget(self) -> None:
        """Delete the record of an instance that is gone, unless jobs have seats still."""
        try:
            self.delete(condition=InstanceRecord.jobs.does_not_exist())
        except DeleteError as error:
            if not was_refused(error):
                raise

    def _try(self, actions: list[Action], condition: Condition) -> bool:
        try:
            self.update(actions, condition=condition)
        except UpdateError as error:
            if not was_refused(error):
                raise
            return False
        return True


def _averaged(before: float | None, newest: float) -> float:
    average = newest if before is None else before + (newest - before) * _NEWEST_WEIGHT
    return round(average, 3)


def _set_or_remove(until: float | None) -> Action:
    attribute = InstanceRecord.unhealthy_until
    action: Action = attribute.remove() if until is None else attribute.set(until)
    return action

"""What we know of each GPU instance beyond what EC2 tells."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action

from chalicelib.config import config
from chalicelib.models.table import Table, was_refused

# Longer than the keeper's period: what was not seen for so long may have been off meanwhile.
_GAP_SECONDS = 200

_NEWEST_WEIGHT = 0.2  # of the newest run in the average of recent ones


class InstanceRecord(Table):
    """What the keeper saw an instance do, and since when; times in seconds since the epoch.

    `jobs` are those that have a seat on it: they run, or wait in its ComfyUI's own queue. No
    other gets one before `draining_until`, as the instance is about to stop. `suspect` is the
    attempt whose fate tells that its ComfyUI has to be started anew.
    """

    class Meta:
        table_name = config.fleet_table

    id = UnicodeAttribute(hash_key=True)
    doing = UnicodeAttribute(default="")
    since = NumberAttribute(default=0)
    seen_at = NumberAttribute(default=0)
    jobs = UnicodeSetAttribute(null=True)
    suspect = UnicodeAttribute(null=True)
    suspected_at = NumberAttribute(null=True)
    run_seconds = NumberAttribute(null=True)
    run_total_seconds = NumberAttribute(null=True)
    accounted_at = NumberAttribute(null=True)
    accounted_run_seconds = NumberAttribute(null=True)
    draining_until = NumberAttribute(null=True)

    @classmethod
    def read(cls, instance_id: str) -> "InstanceRecord":
        """Return what is known, which may be nothing."""
        return next(cls.query(instance_id, consistent_read=True), cls(instance_id))

    @classmethod
    def all(cls) -> list["InstanceRecord"]:
        """Return all records: the table has one item for each instance that ever was."""
        return list(cls.scan())

    @property
    def seated(self) -> set[str]:
        """The ids of the jobs that have a seat."""
        return set(self.jobs or ())

    def note(self, doing: str, *, now: float) -> float:
        """Note what the instance does now; return since when it was seen so without a break."""
        is_new = self.doing != doing or now - self.seen_at > _GAP_SECONDS
        since = now if is_new else self.since
        record = InstanceRecord
        self.update([record.doing.set(doing), record.since.set(since), record.seen_at.set(now)])
        return float(since)

    def seat(self, job_id: str, *, now: float) -> bool:
        """Give a job a seat if one is free; it keeps the one that it has."""
        record = InstanceRecord
        free = record.jobs.does_not_exist() | (size(record.jobs) < config.gpu_seats)
        stays = record.draining_until.does_not_exist() | (record.draining_until <= now)
        allowed = (free & stays) | record.jobs.contains(job_id)
        return self._try([record.jobs.add({job_id})], allowed)

    def drain(self, *, until: float) -> bool:
        """Let no job have a seat any more, unless one has: then the instance may not stop."""
        no_job = InstanceRecord.jobs.does_not_exist()
        return self._try([InstanceRecord.draining_until.set(until)], no_job)

    def unseat(self, job_id: str, *, run_seconds: float | None = None) -> None:
        """Free a job's seat, harmless if it has none; note how long its run took, if it ran."""
        actions: list[Action] = [InstanceRecord.jobs.delete({job_id})]
        if run_seconds is not None:
            before = run_seconds if self.run_seconds is None else self.run_seconds
            average = before + (run_seconds - before) * _NEWEST_WEIGHT
            actions.append(InstanceRecord.run_seconds.set(round(average, 3)))
            actions.append(InstanceRecord.run_total_seconds.add(round(run_seconds, 3)))
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

    def _try(self, actions: list[Action], condition: Condition) -> bool:
        try:
            self.update(actions, condition=condition)
        except UpdateError as error:
            if not was_refused(error):
                raise
            return False
        return True

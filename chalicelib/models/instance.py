"""Every way in which what we know of a GPU instance may change."""

from pynamodb.exceptions import DeleteError
from pynamodb.expressions.condition import size
from pynamodb.expressions.update import Action

from chalicelib.config import config
from chalicelib.models.instance_item import InstanceItem
from chalicelib.models.table import set_or_remove, was_refused

# Longer than the keeper's period: what was not seen for so long may have been off meanwhile.
GAP_SECONDS = 200

# An instance that failed to boot so often in a row is left alone for a while.
_MOST_FAILED_BOOTS = 3
_UNHEALTHY_SECONDS = 3600

_START_SECONDS = 60  # between asking EC2 for a start and the time that it gives for it

_NEWEST_WEIGHT = 0.2  # of the newest in the average of recent ones

# Items of the table whose ids begin so are no instances.
OTHER = ":"


class InstanceRecord(InstanceItem):
    """An instance and what happens to it."""

    @classmethod
    def read(cls, instance_id: str) -> "InstanceRecord":
        """Return what is known, which may be nothing."""
        return next(cls.query(instance_id, consistent_read=True), cls(instance_id))

    @classmethod
    def all(cls) -> list["InstanceRecord"]:
        """Return all records: the table has one item for each instance."""
        return [each for each in cls.scan() if not each.id.startswith(OTHER)]

    def note(
        self,
        state: str,
        *,
        now: float,
        is_on: bool,
        is_idle: bool = False,
        launched_at: float | None = None,
    ) -> float:
        """Note the state; return since when it has been so without a break.

        `launched_at` is when EC2 last started it, whoever asked for that.
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
        if not is_on:
            self.went_off(now=now)
        self.update(actions)
        return float(since)

    def _is_another_start(self, now: float, launched_at: float | None) -> bool:
        if self.on_since is None:
            return True
        if launched_at is not None:
            return bool(launched_at > self.on_since + _START_SECONDS)
        # Nobody looked for so long that it may have been off and on again.
        return bool(now - self.seen_at > GAP_SECONDS and self.on_since <= self.seen_at)

    def went_off(self, *, now: float) -> None:
        """Note that it is off, unless it was started since it was read."""
        record, on_since, fell_back = InstanceRecord, self.on_since, self.fell_back
        if on_since is None and self.ready_at is None:
            return
        past = (record.on_since, record.ready_at, record.budget_ends_at)
        gone: list[Action] = [each.remove() for each in past]
        unchanged = (
            record.on_since.does_not_exist() if on_since is None else record.on_since == on_since
        )
        if self.update_if(unchanged, *gone) and fell_back:
            self.boot_failed("EC2 stopped it as it booted", now=now)

    def started(self, *, now: float) -> None:
        """Note that EC2 was asked to start it."""
        self.update(self._on_from(now))

    def fall_silent(self, *, now: float) -> None:
        """Note that it does not answer, though it was ready."""
        record = InstanceRecord
        silent_since = record.silent_since.set(record.silent_since | now)
        self.update_if(record.ready_at.exists(), silent_since)

    def answered(self) -> None:
        """Note that it answers again."""
        if self.silent_since is not None:
            self.update([InstanceRecord.silent_since.remove()])

    def became_ready(self, *, now: float) -> None:
        """Note that ComfyUI serves from now on, and for how long it booted."""
        record = InstanceRecord
        actions: list[Action] = [
            record.ready_at.set(now),
            record.failed_boots.set(0),
            record.unhealthy_until.remove(),
            record.why.remove(),
        ]
        if self.on_since is not None:
            seconds = _averaged(self.boot_seconds, now - self.on_since)
            actions.append(record.boot_seconds.set(seconds))
        self.update_if(record.ready_at.does_not_exist(), *actions)

    def ail(self, why: str, *, now: float) -> None:
        """Note what keeps an instance that is on from ever being ready."""
        on_since = InstanceRecord.on_since
        self.update([InstanceRecord.why.set(why), on_since.set(on_since | now)])

    def boot_failed(self, why: str, *, now: float) -> None:
        """Count a boot that came to nothing; after some of them it is left alone for a while."""
        record, failed = InstanceRecord, self.failed_boots + 1
        actions: list[Action] = [record.failed_boots.set(failed), record.why.set(why)]
        if failed >= _MOST_FAILED_BOOTS:
            actions.append(record.unhealthy_until.set(now + _UNHEALTHY_SECONDS))
        self.update(actions)

    def seat(self, job_id: str, *, now: float, checkpoint: str = "") -> bool:
        """Give a job a seat if one is free; it keeps the one that it has."""
        record = InstanceRecord
        free = record.jobs.does_not_exist() | (size(record.jobs) < config.gpu_seats)
        stays = record.draining_until.does_not_exist() | (record.draining_until <= now)
        ends_at = record.budget_ends_at
        paid = ends_at.does_not_exist() | (ends_at > now) | (ends_at < now - now % 86_400)
        allowed = (free & stays & paid) | record.jobs.contains(job_id)
        actions: list[Action] = [record.jobs.add({job_id}), record.checkpoint.set(checkpoint)]
        return self.update_if(allowed, *actions)

    def drain(self, *, until: float) -> bool:
        """Let no job have a seat any more, unless one has: then the instance may not stop."""
        no_job = InstanceRecord.jobs.does_not_exist()
        return self.update_if(no_job, InstanceRecord.draining_until.set(until))

    def reclaim(self, *, until: float) -> None:
        """Let no other job have a seat: the instance goes, whatever it does."""
        self.update([InstanceRecord.draining_until.set(until)])

    def pay_until(self, ends_at: float | None) -> None:
        """Let no job have a seat from a time to the end of its day; None lets all."""
        self.update([set_or_remove(InstanceRecord.budget_ends_at, ends_at)])

    def unseat(
        self,
        job_id: str,
        *,
        now: float | None = None,
        run_seconds: float | None = None,
        spent_seconds: float = 0,
    ) -> None:
        """Free a job's seat, harmless if it has none.

        `run_seconds` is how long an image took, if there is one; `spent_seconds` what all of the
        job's runs took here, which count once, with the seat.
        """
        record = InstanceRecord
        actions: list[Action] = [record.jobs.delete({job_id})]
        if now is not None:
            actions.append(record.served_at.set(now))
        if run_seconds is not None:
            actions.append(record.run_seconds.set(_averaged(self.run_seconds, run_seconds)))
        spent = record.run_total_seconds.add(round(spent_seconds, 3))
        seated = record.jobs.contains(job_id)
        if not (spent_seconds and self.update_if(seated, *actions, spent)):
            self.update(actions)

    def distrust(self, attempt_id: str, *, now: float) -> None:
        """Take the instance for broken for as long as its ComfyUI has this attempt."""
        record = InstanceRecord
        self.update([record.suspect.set(attempt_id), record.suspected_at.set(now)])

    def trust(self) -> None:
        """Forget the suspicion, unless there is a new one."""
        record = InstanceRecord
        unchanged = record.suspect == self.suspect
        self.update_if(unchanged, record.suspect.remove(), record.suspected_at.remove())

    def forget(self) -> None:
        """Delete the record of an instance that is gone, unless jobs have seats still."""
        try:
            self.delete(condition=InstanceRecord.jobs.does_not_exist())
        except DeleteError as error:
            if not was_refused(error):
                raise


def _averaged(before: float | None, newest: float) -> float:
    average = newest if before is None else before + (newest - before) * _NEWEST_WEIGHT
    return round(average, 3)

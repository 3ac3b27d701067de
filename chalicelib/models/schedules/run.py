"""A run of a schedule: what became of one scheduled time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pynamodb.attributes import ListAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError
from pynamodb.expressions.condition import Condition
from pynamodb.transactions import TransactWrite

from chalicelib.config import config
from chalicelib.days import DAY_SECONDS
from chalicelib.models.table import Table, unavailable, was_refused

MADE, SKIPPED, MISSED, REFUSED = "made", "skipped", "missed", "refused"

# Why a run is missed, and no other: AWS delivered it too late, or not at all.
LATE, NOT_DELIVERED = "late", "not_delivered"


class Run(Table):
    """One scheduled time of a schedule, its key; times are seconds since the epoch.

    `reason_code` and `reason` say why it was not made. `started_at` is when its message was
    handled, None if none came. Only a run that was made has a number and jobs.
    """

    class Meta:
        table_name = config.runs_table

    schedule_id = UnicodeAttribute(hash_key=True)
    scheduled_at = UnicodeAttribute(range_key=True)
    status = UnicodeAttribute()
    number = NumberAttribute(null=True)
    reason_code = UnicodeAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    started_at = NumberAttribute(null=True)
    job_ids: ListAttribute[Any] = ListAttribute(of=UnicodeAttribute, default=list)
    expires_at = NumberAttribute()

    @classmethod
    def new(cls, schedule_id: str, key: str, status: str, *, now: float, **known: Any) -> "Run":
        """Make a run, not yet stored, that is kept for as long as jobs that are accepted now."""
        kept_seconds = config.job_deadline_seconds + config.execution_deadline_seconds
        expires_at = int(now) + kept_seconds + config.job_retention_days * DAY_SECONDS
        return cls(schedule_id, key, status=status, expires_at=expires_at, **known)

    @property
    def is_manual(self) -> bool:
        """Whether a caller asked for it, for no time of the schedule; its key has milliseconds."""
        return "." in self.scheduled_at

    @property
    def may_still_come(self) -> bool:
        """Whether it counts as never delivered, and its message may come after all."""
        return self.status == MISSED and self.reason_code == NOT_DELIVERED

    @classmethod
    def find(cls, schedule_id: str, key: str) -> "Run | None":
        """Return the run of a scheduled time; None if there is no record of it."""
        try:
            return cls.get(schedule_id, key, consistent_read=True)
        except cls.DoesNotExist:
            return None

    @classmethod
    def newest(cls, schedule_id: str, limit: int, *, before: str = "~") -> "Iterator[Run]":
        """Yield up to `limit` runs before a key, the newest scheduled time first."""
        return cls._newest(schedule_id, Run.scheduled_at < before, limit)

    @classmethod
    def newest_since(cls, schedule_id: str, limit: int, *, at: float) -> "Iterator[Run]":
        """Yield up to `limit` runs from a time on, the newest scheduled time first."""
        return cls._newest(schedule_id, Run.scheduled_at >= key_of(at), limit)

    @classmethod
    def _newest(cls, schedule_id: str, wanted: Condition, limit: int) -> "Iterator[Run]":
        how: dict[str, Any] = {"scan_index_forward": False, "limit": limit, "page_size": limit}
        return iter(cls.query(schedule_id, wanted, consistent_read=True, **how))

    @classmethod
    def is_recorded(cls, schedule_id: str, at: float) -> bool:
        """Return whether a run that AWS started in the minute of a time has a record."""
        minute = at - at % 60
        within = Run.scheduled_at.between(key_of(minute), key_of(minute + 59))
        found = cls.query(schedule_id, within, consistent_read=True)
        return any(not each.is_manual for each in found)

    def record(self) -> bool:
        """Store a run that made no jobs; return whether its time had no record.

        A message that comes after all replaces the record that it never came.
        """
        is_free = self._is_new() if self.may_still_come else self._is_new() | _undelivered()
        try:
            self.save(condition=is_free)
        except PutError as error:
            if passing := unavailable(error):
                raise passing from error
            if not was_refused(error):
                raise
            return False
        return True

    def claim(self, writes: TransactWrite, *, was_missed: bool) -> None:
        """Add to a transaction that this run is made, if its time has no record.

        The record of a run that counts as never delivered is replaced; with `was_missed` that of
        any run that was missed, and there must be one.
        """
        missed: Condition = Run.status == MISSED
        writes.save(self, condition=missed if was_missed else self._is_new() | _undelivered())

    def _is_new(self) -> Condition:
        new: Condition = Run.schedule_id.does_not_exist()
        return new


def _undelivered() -> Condition:
    undelivered: Condition = Run.reason_code == NOT_DELIVERED
    return undelivered


def key_of(at: float, *, is_manual: bool = False) -> str:
    """Return a scheduled time as the text by which runs are stored; it sorts like the time."""
    precision = "milliseconds" if is_manual else "seconds"
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec=precision)
    return text.replace("+00:00", "Z")

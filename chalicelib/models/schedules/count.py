"""How many schedules an owner has, so that there are not too many."""

from contextlib import suppress
from hashlib import sha256

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.transactions import TransactWrite

from chalicelib.config import config
from chalicelib.errors import Conflict, Overloaded, Unanswered
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.models.table import Table, sent_once

MOST = 1000

# An index may lag behind its table: it is counted only if nothing was added for this long.
_QUIET_SECONDS = 60


class OwnerCount(Table):
    """The number of an owner's schedules, in the schedules table.

    It is never too low. Writes outside of transactions are sent once: the count may be too high by
    one for each response that was lost. It is corrected when the owner reaches the limit.
    """

    class Meta:
        table_name = config.schedules_table

    beside = Schedule

    id = UnicodeAttribute(hash_key=True)
    schedules = NumberAttribute(default=0)
    added_at = NumberAttribute(default=0)

    @classmethod
    def add(cls, owner: str, *, now: float) -> None:
        """Count one more; raise Conflict, and count nothing, if the owner has the most."""
        if not cls._of(owner)._add(now):
            cls._correct(owner, now)
            if not cls._of(owner)._add(now):
                raise Conflict(
                    f"an owner may have {MOST:,} schedules, and this one has as many",
                    suggestion="Delete a schedule, or give one schedule several prompts",
                )

    @classmethod
    def subtract(cls, owner: str) -> None:
        """Count one less that was just added; it stays counted if DynamoDB does not answer."""
        with suppress(Unanswered, Overloaded), sent_once():
            cls._of(owner).update([cls.schedules.add(-1)])

    @classmethod
    def subtract_in(cls, writes: TransactWrite, owner: str) -> None:
        """Add to the transaction that deletes a schedule that there is one less."""
        writes.update(cls._of(owner), actions=[cls.schedules.add(-1)])

    @classmethod
    def _correct(cls, owner: str, now: float) -> None:
        """Set the count to what the index says, unless schedules were added just now."""
        known = cls.get(cls._of(owner).id, consistent_read=True)
        if known.added_at < now - _QUIET_SECONDS:
            there = Schedule.by_owner.count(owner, limit=MOST)
            known.update_if(cls.added_at == known.added_at, cls.schedules.set(there))

    @classmethod
    def _of(cls, owner: str) -> "OwnerCount":
        return cls(f"count:{sha256(owner.encode()).hexdigest()}")

    def _add(self, now: float) -> bool:
        fits = OwnerCount.schedules.does_not_exist() | (OwnerCount.schedules < MOST)
        with sent_once():
            return self.update_if(fits, OwnerCount.schedules.add(1), OwnerCount.added_at.set(now))

"""The snapshot of the queue: what the jobs in the queue wait for, and about how long."""

from collections.abc import Callable
from uuid import uuid4

from chalicelib.models.catalogs import budget_mark
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.queue_snapshot import QueueSnapshot
from chalicelib.models.jobs.waits import BUDGET_EXHAUSTED, GPU_HELD, GPU_NOT_READY
from chalicelib.services.billing.budget import Budget
from chalicelib.services.gpus.inventory import InstanceView, Inventory
from chalicelib.services.gpus.pace import boot_seconds, pace_seconds
from chalicelib.services.gpus.starter import hold_of
from chalicelib.services.gpus.status_texts import progress

# A snapshot of the queue is replaced after a second by the process that made it, after two by any.
_FRESH_SECONDS = 1.0
_OLD_SECONDS = 2.0
_UNOBSERVED_SECONDS = 30.0


class QueueSnapshots:
    """Keeps the snapshot of the queue. `boots` says whether GPUs are instances, which boot."""

    def __init__(
        self,
        inventory: Inventory,
        budget: Budget,
        clock: Callable[[], float],
        *,
        boots: bool,
    ) -> None:
        self._inventory = inventory
        self._budget = budget
        self._clock = clock
        self._boots = boots
        self._name = uuid4().hex
        self._known: QueueSnapshot | None = None
        self._read_at = float("-inf")

    def refresh(self, *, is_due: bool = False) -> int:
        """Make a new snapshot if it is time to, or `is_due`; return the length of the queue."""
        known = QueueSnapshot.read()
        if not is_due and not self._is_turn(known):
            return int(known.length)
        return self._make(known, is_due=is_due)

    def renew(self) -> None:
        """Make a new snapshot if nobody has looked at the instances for half a minute.

        A poll replaces only what it reads of the snapshot, and may come every second.
        """
        known = QueueSnapshot.read()
        if self._clock() - float(known.observed_at) >= _UNOBSERVED_SECONDS:
            self._make(known)

    def _make(self, known: QueueSnapshot, *, is_due: bool = False) -> int:
        waiting = queue.first(queue.MOST_COUNTED + 1)
        length = queue.length_of(waiting)
        if length or known.length or is_due:
            views = self._inventory.views()
            fleet = self._fleet(views)
            known.replace(waiting, length, now=self._clock(), writer=self._name, **fleet)
            self._read_at = float("-inf")  # what this process knew before is old
        return length

    def current(self, known: QueueSnapshot | None = None) -> QueueSnapshot:
        """Return a snapshot that is at most two seconds old; `known` is one that was just read.

        This reads the queue only if no follower keeps the snapshot.
        """
        now = self._clock()
        if known is None and (fresh := self.fresh()):
            return fresh
        snapshot = known or QueueSnapshot.read()
        self._read_at = float(snapshot.made_at)
        if now - snapshot.made_at >= _OLD_SECONDS or self._is_turn(snapshot):
            waiting = queue.first(queue.MOST_COUNTED + 1)
            length = len(waiting)
            if length > queue.MOST_COUNTED:
                length = max(int(snapshot.length), length)
            snapshot.replace_keys(waiting, length, now=now, writer=self._name)
            self._read_at = now
        self._known = snapshot
        return snapshot

    def fresh(self) -> QueueSnapshot | None:
        """Return the snapshot that this process knows if it is less than a second old."""
        return self._known if self._clock() - self._read_at < _FRESH_SECONDS else None

    def _is_turn(self, known: QueueSnapshot) -> bool:
        age = self._clock() - float(known.made_at)
        return age >= (_FRESH_SECONDS if known.writer == self._name else _OLD_SECONDS)

    def _fleet(self, views: list[InstanceView]) -> dict[str, object]:
        """Return what the jobs wait for, as the snapshot stores it."""
        now, records = self._clock(), [each.record for each in views]
        waits_for, reason = self._wait(views, now)
        return {
            "served": sum(len(each.slot_holders) for each in records),
            "waits_for": waits_for,
            "reason": reason,
            "pace_seconds": pace_seconds(records),
            "boot_seconds": boot_seconds(records, now) if self._boots else 0,
        }

    def _wait(self, views: list[InstanceView], now: float) -> tuple[str | None, str]:
        running = [each.record for each in views if each.instance.state == "running"]
        if any(each.serves(now) for each in running):
            return None, "waiting for a free slot"
        if held := hold_of(self._inventory.starts, now=now):
            return GPU_HELD, held
        if self._is_unpaid([each.record for each in views], now):
            return BUDGET_EXHAUSTED, self._budget.reason
        return GPU_NOT_READY, str(progress(views, now))

    def _is_unpaid(self, records: list[InstanceRecord], now: float) -> bool:
        mark = budget_mark.read()
        is_exhausted = mark is not None and mark.is_exhausted(self._budget.dollars, now)
        return is_exhausted or any(each.is_past_budget(now) for each in records)

"""The head of the queue as callers read it: one item, so that no poll reads the queue itself."""

from bisect import bisect_left
from itertools import pairwise
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.config import config
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.queue import MOST_COUNTED, Waiting
from chalicelib.models.table import Table, read_together, set_or_remove


class QueueSnapshot(Table):
    """What the queue was at `made_at`, in seconds since the epoch.

    `keys` are the sort keys of its first jobs, compressed; `length` is its length. `served` is how
    many jobs had slots. `waits_for` is the code of what the jobs wait for, None for a free slot,
    and `reason` the same for people. `pace_seconds` lie between two images of all GPUs, and
    `boot_seconds` before the first; None is not known. `writer` is the process that wrote it.
    All but `keys` and `length` is as of `observed_at`.
    """

    class Meta:
        table_name = config.jobs_table

    beside = Job

    id = UnicodeAttribute(hash_key=True, default="queue:snapshot")
    keys = UnicodeAttribute(default="")
    length = NumberAttribute(default=0)
    served = NumberAttribute(default=0)
    waits_for = UnicodeAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    pace_seconds = NumberAttribute(null=True)
    boot_seconds = NumberAttribute(null=True)
    made_at = NumberAttribute(default=0)
    observed_at = NumberAttribute(default=0)
    writer = UnicodeAttribute(default="")

    @classmethod
    def read(cls) -> "QueueSnapshot":
        """Return the newest snapshot, a new one if there is none."""
        known = cls()
        return next(cls.query(known.id), known)

    @classmethod
    def read_with(cls, job_id: str, *, owner: str | None = None) -> "tuple[Job, QueueSnapshot]":
        """Return a job, as `Job.show` does, and the newest snapshot, read in the same call."""
        known = cls()
        found = read_together({**Job.kinds(job_id), known.id: cls}, consistent=True)
        snapshot = found.get(known.id)
        job = Job.shown(job_id, found, owner=owner)
        return job, snapshot if isinstance(snapshot, QueueSnapshot) else known

    @property
    def is_whole(self) -> bool:
        """Whether it has all jobs of the queue."""
        return bool(self.length <= MOST_COUNTED)

    def rank(self, sort_key: str) -> int | None:
        """Return how many jobs are before a sort key; None if these are too many to know."""
        keys = _unpacked(self.keys)
        rank = bisect_left(keys, sort_key)
        return rank if self.is_whole or rank < len(keys) else None

    def replace_keys(self, waiting: list[Waiting], length: int, *, now: float, writer: str) -> bool:
        """Store the head of the queue; return False if another process was faster.

        This object has what was just read in both cases.
        """
        is_stored = self._replace(_keys_of(waiting, length), now, writer)
        if not is_stored:
            self.keys, self.length, self.made_at = _packed(_first(waiting)), length, now
        return is_stored

    def replace(
        self, waiting: list[Waiting], length: int, *, now: float, writer: str, **known: Any
    ) -> bool:
        """Store all of the snapshot; return False if another process was faster."""
        fields = [set_or_remove(getattr(QueueSnapshot, name), to) for name, to in known.items()]
        fields.append(QueueSnapshot.observed_at.set(now))
        return self._replace([*_keys_of(waiting, length), *fields], now, writer)

    def _replace(self, actions: list[Any], now: float, writer: str) -> bool:
        made_at = QueueSnapshot.made_at
        unchanged = made_at.does_not_exist() | (made_at == self.made_at)
        return self.update_if(
            unchanged, *actions, made_at.set(now), QueueSnapshot.writer.set(writer)
        )


def _keys_of(waiting: list[Waiting], length: int) -> list[Any]:
    keys = _packed(_first(waiting))
    return [QueueSnapshot.keys.set(keys), QueueSnapshot.length.set(length)]


def _first(waiting: list[Waiting]) -> list[str]:
    return [each.sort_key for each in waiting[:MOST_COUNTED]]


def _packed(sort_keys: list[str]) -> str:
    """Return sort keys as text: each virtual time as the difference to the one before."""
    parts = [each.partition("#") for each in sort_keys]
    times = [0, *(int(time) for time, _, _ in parts)]
    steps = [after - before for before, after in pairwise(times)]
    return " ".join(f"{step:x}#{parts[index][2]}" for index, step in enumerate(steps))


def _unpacked(text: str) -> list[str]:
    keys, time = [], 0
    for each in text.split():
        step, _, job_id = each.partition("#")
        time += int(step, 16)
        keys.append(f"{time:015d}#{job_id}")
    return keys

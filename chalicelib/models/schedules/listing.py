"""Lists of schedules."""

from collections.abc import Iterator
from heapq import merge
from typing import Any

from pynamodb.expressions.condition import Condition

from chalicelib.models.jobs.indexes import SHARDS
from chalicelib.models.schedules.schedule import Schedule


def newest(at_once: int, *, owner: str | None, before: str | None = None) -> Iterator[str]:
    """Yield the ids of an owner's schedules, or of all, newest first, from before the id `before`.

    A few more than `at_once` are read at a time.
    """
    older: Condition | None = Schedule.id < before if before else None
    how: dict[str, Any] = {"scan_index_forward": False, "page_size": at_once + 1}
    if owner is not None:
        return (str(each.id) for each in Schedule.by_owner.query(owner, older, **how))
    pages = [Schedule.by_age.query(str(shard), older, **how) for shard in range(SHARDS)]
    ids = ((str(each.id) for each in page) for page in pages)
    return merge(*ids, reverse=True)


def states() -> Iterator[tuple[str, str]]:
    """Yield the id and the state of every schedule."""
    for shard in range(SHARDS):
        for each in Schedule.by_age.query(str(shard)):
            yield str(each.id), str(each.state)


def due(now: float) -> Iterator[Schedule]:
    """Yield the schedules that the reconciler has to look at now, those due longest first.

    Each minute begins with another shard, in case there is no time for all.
    """
    first = int(now // 60)
    for shard in range(first, first + SHARDS):
        for each in Schedule.by_due.query(str(shard % SHARDS), Schedule.due_at <= now):
            # The index lags; the table says whether it is still due.
            schedule = Schedule.read(each.id)
            if schedule and schedule.is_due(now):
                yield schedule

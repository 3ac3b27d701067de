"""Reading many jobs: newest first, by status, by post, and those that nobody drives."""

from collections.abc import Iterator
from heapq import merge
from itertools import islice

from pynamodb.expressions.condition import Condition

from chalicelib.models.job import Job
from chalicelib.models.job_index import SHARDS
from chalicelib.models.job_status import OPEN, SUCCEEDED


def newest(
    limit: int,
    *,
    owner: str | None = None,
    status: str | None = None,
    before: str | None = None,
) -> list[Job]:
    """Return up to `limit` jobs, newest first, those older than the job id `before`."""
    older: Condition | None = Job.id < before if before else None
    if owner is not None:
        return _of_owner(owner, status, older, limit)
    pages = [_shard(shard, status, older, limit) for shard in range(SHARDS)]
    return list(islice(merge(*pages, key=lambda job: job.id, reverse=True), limit))


def _shard(shard: int, status: str | None, older: Condition | None, limit: int) -> Iterator[Job]:
    if status:
        return Job.by_status.query(
            f"{status}#{shard}", older, scan_index_forward=False, limit=limit
        )
    return Job.by_age.query(str(shard), older, scan_index_forward=False, limit=limit)


def _of_owner(owner: str, status: str | None, older: Condition | None, limit: int) -> list[Job]:
    wanted = Job.status == status if status else None
    found = Job.by_owner.query(owner, older, wanted, scan_index_forward=False, limit=limit)
    whole = Job.batch_get([each.id for each in found], consistent_read=True)
    return sorted(whole, key=lambda job: str(job.id), reverse=True)


def of_post(post_id: str, *, owner: str | None = None, after: str | None = None) -> Iterator[Job]:
    """Yield a post's jobs that succeeded, oldest first, those younger than the job id `after`."""
    younger: Condition | None = Job.id > after if after else None
    wanted: Condition = Job.status == SUCCEEDED
    if owner is not None:
        wanted &= Job.owner == owner
    return iter(Job.by_post.query(post_id, younger, wanted))


def count_open() -> dict[str, int]:
    """Count the jobs of every status that is not terminal."""
    return {
        status: sum(Job.by_status.count(f"{status}#{shard}") for shard in range(SHARDS))
        for status in OPEN
    }


def overdue(since: float) -> Iterator[Job]:
    """Yield open jobs that should have been driven before `since`, oldest first per shard."""
    for status in OPEN:
        for shard in range(SHARDS):
            yield from Job.by_status.query(f"{status}#{shard}", filter_condition=Job.due_at < since)


def accepted_between(lowest: str, highest: str) -> Iterator[Job]:
    """Yield the jobs of a range of ids, with no more of each than what it cost and for whom."""
    needed = ["id", "images", "attempts", "style_id", "post_id"]
    for shard in range(SHARDS):
        in_range = Job.id.between(lowest, highest)
        yield from Job.by_age.query(str(shard), in_range, attributes_to_get=needed)

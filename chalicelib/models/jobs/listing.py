"""Reading many jobs: newest first, by status, by post, and those that are overdue."""

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import accumulate, islice
from typing import Any, TypeVar

from pynamodb.expressions.condition import Condition

from chalicelib.models.jobs.indexes import MADE, SHARDS, UNDER_WAY
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.parameters import JobParameters, id_of

T = TypeVar("T", Job, JobParameters)

_CHUNK = 50
# Of parameters that are read at once; read at most, and not returned, when the response is full.
_CHUNK_BYTES = 256 * 1024


def newest(
    at_once: int,
    *,
    owner: str | None = None,
    status: str | None = None,
    before: str | None = None,
) -> Iterator[str]:
    """Yield the ids of jobs, newest first, only those older than the id `before` if given.

    A few more than `at_once` are read at a time.
    """
    older: Condition | None = Job.id < before if before else None
    # Each shard has about its share of them.
    how = {"scan_index_forward": False, "page_size": at_once // SHARDS + 2}
    index, prefix = _index(owner, status)
    pages = [index.query(f"{prefix}{shard}", older, **how) for shard in range(SHARDS)]
    ids = ((str(each.id) for each in page) for page in pages)
    return merge(*ids, reverse=True)


def _index(owner: str | None, status: str | None) -> tuple[Any, str]:
    """Return the index for a list, and the prefix of its keys before the shard."""
    if owner is None:
        return (Job.by_status, f"{status}#") if status else (Job.by_age, "")
    if status:
        return Job.by_owner_status, f"{owner}#{status}#"
    return Job.by_owner, f"{owner}#"


def of_schedule(schedule_id: str, at_once: int, *, before: str | None = None) -> Iterator[str]:
    """Yield the ids of a schedule's jobs, newest first, only those older than `before` if given."""
    older: Condition | None = Job.id < before if before else None
    found = Job.by_schedule.query(
        schedule_id, older, scan_index_forward=False, page_size=at_once + 1
    )
    return (str(each.id) for each in found)


def shown(ids: Iterable[str], *, at_once: int = _CHUNK) -> Iterator[list[Job]]:
    """Yield the jobs with these ids, in order and with parameters, as many at once as is cheap.

    Jobs that no longer exist are left out. At most `at_once` ids are taken at a time.
    """
    rest = iter(ids)
    while chunk := list(islice(rest, min(at_once, _CHUNK))):
        known = _read(Job, chunk)
        jobs = [known[each] for each in chunk if each in known]
        while jobs:
            some = jobs[: _fitting(jobs)]
            yield _with_parameters(some)
            del jobs[: len(some)]


def found(job_ids: Iterable[str], *, owner: str | None = None) -> list[Job]:
    """Return the jobs with these ids that still exist, in order, without parameters.

    With `owner` those of other owners are left out.
    """
    ids = list(job_ids)
    known = _read(Job, ids) if ids else {}
    jobs = [known[each] for each in ids if each in known]
    return [job for job in jobs if owner in (None, job.owner)]


def _fitting(jobs: list[Job]) -> int:
    """Return how many of the first jobs have parameters that fit together; at least one."""
    sizes = accumulate(int(job.parameters_bytes) for job in jobs)
    return max(sum(total <= _CHUNK_BYTES for total in sizes), 1)


def _with_parameters(jobs: list[Job]) -> list[Job]:
    """Read the parameters of jobs; leave out jobs whose parameters have expired."""
    stored = _read(JobParameters, [id_of(job.id) for job in jobs])
    there = [job for job in jobs if id_of(job.id) in stored]
    for job in there:
        job._parameters = stored[id_of(job.id)].values
    return there


def _read(kind: type[T], ids: list[str]) -> dict[str, T]:
    """Read items in a batch, and missing ones again consistently, as they may be new."""
    found: dict[str, T] = {each.id: each for each in kind.batch_get(ids)}
    if missing := [each for each in ids if each not in found]:
        found |= {each.id: each for each in kind.batch_get(missing, consistent_read=True)}
    return found


def made_for(
    post_id: str, *, owner: str | None = None, after: str | None = None, at_once: int = _CHUNK
) -> Iterator[str]:
    """Yield the ids of a post's jobs that succeeded, oldest first, from after the id `after`."""
    younger: Condition | None = Job.id > after if after else None
    return _of_post(f"{post_id}#{MADE}", owner, younger, at_once)


def open_for(post_id: str, *, owner: str | None = None, limit: int) -> list[str]:
    """Return the ids of up to `limit` of a post's jobs that have not ended, oldest first."""
    return list(islice(_of_post(f"{post_id}#{UNDER_WAY}", owner, None, limit), limit))


def _of_post(
    key: str, owner: str | None, condition: Condition | None, page_size: int
) -> Iterator[str]:
    if owner is None:
        found = Job.by_post.query(key, condition, page_size=page_size)
    else:
        found = Job.by_owner_post.query(f"{owner}#{key}", condition, page_size=page_size)
    return (str(each.id) for each in found)


def overdue(since: float, *, shard: int, at_once: int) -> Iterator[list[Job]]:
    """Yield the open jobs of a shard that were due before `since`, the oldest first, in parts."""
    late = Job.by_due.query(str(shard), Job.due_at < since, page_size=at_once)
    while ids := [str(each.id) for each in islice(late, at_once)]:
        # The index lags behind the table: a driver may have claimed a job, or ended it.
        yield [job for job in found(ids) if job.is_open and job.due_at < since]


def accepted_between(lowest: str, highest: str) -> Iterator[Job]:
    """Yield the jobs of a range of ids, with only the attributes of the index `by_age`."""
    for shard in range(SHARDS):
        yield from Job.by_age.query(str(shard), Job.id.between(lowest, highest))

"""The queue: jobs that wait for a slot on a GPU, in an order that is fair to owners.

The order is start-time fair queueing (Goyal, Vin, Cheng 1996) with one unit for each job. A job's
virtual start time is one more than that of its owner's last job, and never less than that of the
head of the queue. An owner that sends 200 jobs takes 200 virtual start times; the first job of
another owner gets that of the head. When the queue is empty, virtual start times begin at the
milliseconds since the epoch. A job takes longer than a millisecond, so every virtual start time
that was given out before is then in the past.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from itertools import islice

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.config import config
from chalicelib.days import DAY_SECONDS
from chalicelib.errors import NotFound, Overloaded, Unanswered
from chalicelib.models.jobs.indexes import QUEUE
from chalicelib.models.jobs.job import Job
from chalicelib.models.table import Table, sent_once

_FORGOTTEN_SECONDS = 8 * DAY_SECONDS  # longer than a job may wait
_DIGITS = 15
_RETURNED = 0  # of a job that had a slot; before all virtual times


class VirtualTime(Table):
    """The virtual start time of an owner's last job, in the jobs table."""

    class Meta:
        table_name = config.jobs_table

    beside = Job

    id = UnicodeAttribute(hash_key=True)
    virtual_time = NumberAttribute(default=0)
    expires_at = NumberAttribute()

    @classmethod
    def take(
        cls, owner: str, count: int, *, earliest: int, now: float, is_first: bool = False
    ) -> int:
        """Take `count` virtual times in a row, none before `earliest`, and return the first.

        This takes one write if the owner has jobs in the queue, or if the queue is empty
        (`is_first`); else two, and three if another request of the owner comes in between. A write
        that is applied twice skips times.
        """
        record = cls(_owner_id(owner))
        expires = cls.expires_at.set(int(now) + _FORGOTTEN_SECONDS)
        is_past = cls.virtual_time.does_not_exist() | (cls.virtual_time < earliest)
        begin = (is_past, cls.virtual_time.set(earliest + count - 1), expires)
        go_on = (cls.virtual_time >= earliest - 1, cls.virtual_time.add(count), expires)
        for write in (begin, go_on) if is_first else (go_on, begin):
            if record.update_if(*write):
                break
        else:
            record.update([cls.virtual_time.add(count), expires])
        return int(record.virtual_time) - count + 1


def give_back(jobs: Iterable[Job]) -> None:
    """Give back the virtual start times of jobs that left the queue without an attempt."""
    times = Counter(str(job.owner) for job in jobs if job.sort_key and not job.attempts)
    for owner, count in times.items():
        with suppress(Unanswered, Overloaded), sent_once():
            VirtualTime(_owner_id(owner)).update([VirtualTime.virtual_time.add(-count)])


def sort_keys(jobs: list[Job], *, now: float) -> list[str]:
    """Return sort keys for the jobs of one owner, in their order; nothing is stored in the jobs."""
    is_first_time = Job.sort_key >= f"{_RETURNED + 1:0{_DIGITS}d}"
    head = next(iter(Job.by_queue.query(QUEUE, is_first_time, limit=1)), None)
    earliest = _virtual_time(head.sort_key) if head else int(now * 1000)
    first = VirtualTime.take(
        jobs[0].owner, len(jobs), earliest=earliest, now=now, is_first=head is None
    )
    return [_sort_key(first + index, job.id) for index, job in enumerate(jobs)]


def sort_key(job: Job, *, now: float) -> str:
    """Return the sort key of one job; a job that had a slot comes before those that had none."""
    if job.attempts:
        return _sort_key(_RETURNED, job.id)  # ids sort by age
    return job.sort_key or sort_keys([job], now=now)[0]


def first(sort_key: str | None, limit: int) -> list[Job]:
    """Return the first `limit` jobs of the queue, only those before a sort key if one is given."""
    before = Job.sort_key < sort_key if sort_key else None
    # The index lags behind the table; only the job itself shows whether it still waits.
    found = Job.by_queue.query(QUEUE, before, page_size=limit + 2) if limit > 0 else ()
    waiting = (job for each in found if (job := _waiting(each.id)))
    return list(islice(waiting, max(limit, 0)))


def length(most: int) -> int:
    """Count the jobs in the queue, up to `most`."""
    return Job.by_queue.count(QUEUE, limit=most)


class Ranks:
    """Counts the jobs before a sort key, in a queue that is read once."""

    def __init__(self) -> None:
        self._queue: list[str] = []
        self._known = ""  # all sort keys up to this one are in `_queue`

    def of(self, sort_keys: list[str]) -> list[int]:
        """Return for each sort key how many jobs are before it."""
        if (last := max(sort_keys, default="")) > self._known:
            between = (
                Job.sort_key.between(f"{self._known}~", last)
                if self._known
                else Job.sort_key <= last
            )
            self._queue += [each.sort_key for each in Job.by_queue.query(QUEUE, between)]
            self._known = last
        return [bisect_left(self._queue, sort_key) for sort_key in sort_keys]


def _waiting(job_id: str) -> Job | None:
    try:
        job = Job.find(job_id)
    except NotFound:
        return None
    return job if job.queue else None


def _owner_id(owner: str) -> str:
    return f"caller:{sha256(owner.encode()).hexdigest()}"


def _sort_key(virtual_time: int, job_id: str) -> str:
    return f"{virtual_time:0{_DIGITS}d}#{job_id}"


def _virtual_time(sort_key: str) -> int:
    return int(sort_key.partition("#")[0])

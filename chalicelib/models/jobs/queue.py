"""The queue: jobs that wait for a slot on a GPU, in an order that is fair to owners.

The order is start-time fair queueing (Goyal, Vin, Cheng 1996); a job is as long as its
megapixel-steps. A job's virtual start time is where its owner's last job ends, or that of the head
of the queue if that is later. An owner that sends 200 jobs takes the virtual time of 200; the first
job of another owner begins at that of the head, and comes before it. When the queue is empty,
virtual times begin at the milliseconds since the epoch. A megapixel-step takes longer than a
millisecond, so all virtual time that was given out before is then in the past.

An interactive job takes the turn of its owner's first batch job. That one, and as many as have the
units of the interactive job, go to the end of that owner's jobs: no owner gains a share by it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from itertools import accumulate
from typing import NamedTuple

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.config import config
from chalicelib.days import DAY_SECONDS
from chalicelib.errors import Overloaded, Unanswered
from chalicelib.models.jobs.indexes import QUEUE
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.priority import INTERACTIVE
from chalicelib.models.table import Table, sent_once

_MOST_MOVED = 25  # batch jobs, for the interactive jobs of one request
_FORGOTTEN_SECONDS = 8 * DAY_SECONDS  # longer than a job may wait
_DIGITS = 15
MOST_COUNTED = 100  # jobs at the head of the queue, of which the position is exact
_RETURNED = 0  # of a job that had a slot; before all virtual times
_HAD_NO_SLOT = Job.sort_key >= f"{_RETURNED + 1:0{_DIGITS}d}"


class VirtualTime(Table):
    """The last unit of virtual time that an owner has taken, in the jobs table."""

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
        """Take `count` units of virtual time in a row, none before `earliest`; return the first.

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


class Waiting(NamedTuple):
    """A job in the queue, as its index has it."""

    id: str
    sort_key: str
    checkpoint: str | None


def give_back(jobs: Iterable[Job]) -> None:
    """Give back the virtual time of jobs that left the queue without an attempt."""
    units = Counter[str]()
    for job in jobs:
        if job.sort_key and not job.attempts:
            units[str(job.owner)] += int(job.units)
    for owner, count in units.items():
        with suppress(Unanswered, Overloaded), sent_once():
            VirtualTime(_owner_id(owner)).update([VirtualTime.virtual_time.add(-count)])


def sort_keys(jobs: list[Job], *, now: float) -> list[str]:
    """Return sort keys for the jobs of one owner, in their order; they are not stored in them."""
    head = next(iter(Job.by_queue.query(QUEUE, _HAD_NO_SLOT, limit=1)), None)
    earliest = _turn(head.sort_key) // 2 if head else int(now * 1000)
    units = [int(job.units) for job in jobs]
    first = VirtualTime.take(
        jobs[0].owner, sum(units), earliest=earliest, now=now, is_first=head is None
    )
    # At the same time, a job with which its owner begins comes before one of a backlog.
    starts = accumulate(units[:-1], initial=first)
    turns = [2 * start + (start > earliest) for start in starts]
    if head and jobs[0].priority == INTERACTIVE:
        turns = _overtaken(jobs, turns)
    return [_sort_key(turn, job.id) for turn, job in zip(turns, jobs, strict=True)]


def _overtaken(jobs: list[Job], turns: list[int]) -> list[int]:
    """Exchange turns with the owner's first batch jobs, where theirs are earlier."""
    batch = iter(Job.by_batch_owner.query(str(jobs[0].owner), _HAD_NO_SLOT, limit=_MOST_MOVED))
    return [_exchanged(job, turn, batch) for job, turn in zip(jobs, turns, strict=True)]


def _exchanged(job: Job, turn: int, batch: Iterator[Job]) -> int:
    """Return the turn of the first batch job; those whose units the job takes get its own turn."""
    first, moved = turn, 0
    while moved < job.units and (each := next(batch, None)):
        earlier = _turn(each.sort_key)
        if earlier >= turn:
            break
        if each.move(_sort_key(turn + 2 * moved, each.id)):
            first, moved = min(first, earlier), moved + int(each.units)
    return first


def sort_key(job: Job, *, now: float) -> str:
    """Return the sort key of one job; a job that had a slot comes before those that had none."""
    if job.attempts:
        return _sort_key(_RETURNED, job.id)  # ids sort by age
    return job.sort_key or sort_keys([job], now=now)[0]


def first(limit: int) -> list[Waiting]:
    """Return the first `limit` jobs of the queue, by an index that lags behind the table."""
    found = Job.by_queue.query(QUEUE, limit=limit)
    return [Waiting(str(each.id), str(each.sort_key), each.checkpoint) for each in found]


def is_empty() -> bool:
    """Return whether no job waits, by an index that lags behind the table."""
    return not first(1)


class Length(Table):
    """About how many jobs are in the queue; exact again whenever they are counted.

    A write whose answer is lost leaves the number wrong until then.
    """

    class Meta:
        table_name = config.jobs_table

    beside = Job

    id = UnicodeAttribute(hash_key=True, default="queue:length")
    jobs = NumberAttribute(default=0)


def count(entered: int) -> None:
    """Count jobs that entered the queue; a negative number of jobs left it."""
    if entered:
        with suppress(Unanswered, Overloaded), sent_once():
            Length().update([Length.jobs.add(entered)])


def length() -> int:
    """Return how many jobs are in the queue: exactly up to 100, else about how many."""
    return length_of(first(MOST_COUNTED + 1))


def counted() -> int:
    """Return about how many jobs are in the queue, in one read however many they are."""
    known = next(Length.query(Length().id), None)
    return max(int(known.jobs), 0) if known else 0


def length_of(waiting: list[Waiting]) -> int:
    """Return the length of a queue of which up to 101 jobs have just been read."""
    known = next(Length.query(Length().id), None)
    if len(waiting) > MOST_COUNTED:
        return max(int(known.jobs) if known else 0, len(waiting))
    if known and known.jobs != len(waiting):
        Length().update([Length.jobs.set(len(waiting))])
    return len(waiting)


def _owner_id(owner: str) -> str:
    return f"caller:{sha256(owner.encode()).hexdigest()}"


def _sort_key(turn: int, job_id: str) -> str:
    return f"{turn:0{_DIGITS}d}#{job_id}"


def _turn(sort_key: str) -> int:
    """Return the turn in a sort key: twice the virtual start time, one more in a backlog."""
    return int(sort_key.partition("#")[0])

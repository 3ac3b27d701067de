"""The line: jobs that wait for a seat on a GPU, in an order that is fair to callers.

The order is start-time fair queueing (Goyal, Vin, Cheng 1996) with one unit a job: a caller's
next job has the turn after that of its last, and never one before that of the line's head. So
who sends 200 jobs stands 200 turns deep, and who comes then with one stands beside the head.
Turns are milliseconds since the epoch where nobody waits; jobs take longer, so that no turn of
the past lies in the future when the line has emptied.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from itertools import islice

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.config import config
from chalicelib.errors import NotFound, Overloaded, Unanswered
from chalicelib.models.job import Job
from chalicelib.models.job_index import LINE
from chalicelib.models.table import Table, sent_once

_FORGOTTEN_SECONDS = 8 * 86_400  # longer than a job may wait
_DIGITS = 15
_RETURNED = 0  # before all turns, which are times, and no measure of time


class CallerTurn(Table):
    """The turn of a caller's last job, beside the jobs."""

    class Meta:
        table_name = config.jobs_table

    beside = Job

    id = UnicodeAttribute(hash_key=True)
    turn = NumberAttribute(default=0)
    expires_at = NumberAttribute()

    @classmethod
    def take(
        cls, caller: str, count: int, *, earliest: int, now: float, is_first: bool = False
    ) -> int:
        """Take `count` turns in a row, none before `earliest`, and return the first.

        This takes one write if the caller has jobs in the queue, or if nobody has (`is_first`);
        else two, and three if another of its requests comes in between. A write that is applied
        twice skips turns.
        """
        record = cls(_caller_id(caller))
        expires = cls.expires_at.set(int(now) + _FORGOTTEN_SECONDS)
        is_past = cls.turn.does_not_exist() | (cls.turn < earliest)
        begin = (is_past, cls.turn.set(earliest + count - 1), expires)
        go_on = (cls.turn >= earliest - 1, cls.turn.add(count), expires)
        for write in (begin, go_on) if is_first else (go_on, begin):
            if record.update_if(*write):
                break
        else:
            record.update([cls.turn.add(count), expires])
        return int(record.turn) - count + 1


def give_back(jobs: Iterable[Job]) -> None:
    """Let the callers of jobs that left the line without an image have their turns again."""
    turns = Counter(str(job.owner) for job in jobs if job.place and not job.attempts)
    for owner, count in turns.items():
        with suppress(Unanswered, Overloaded), sent_once():
            CallerTurn(_caller_id(owner)).update([CallerTurn.turn.add(-count)])


def take_places(jobs: list[Job], *, now: float) -> list[str]:
    """Find places for the jobs of one caller, in their order; not yet written down."""
    with_turn = Job.place >= f"{_RETURNED + 1:0{_DIGITS}d}"
    head = next(iter(Job.by_place.query(LINE, with_turn, limit=1)), None)
    earliest = _turn(head.place) if head else int(now * 1000)
    first = CallerTurn.take(
        jobs[0].owner, len(jobs), earliest=earliest, now=now, is_first=head is None
    )
    return [_place(first + index, job.id) for index, job in enumerate(jobs)]


def take_place(job: Job, *, now: float) -> str:
    """Find the place of one job; one that had its turn comes back before those who had none."""
    if job.attempts:
        return _place(_RETURNED, job.id)  # ids are in the order of their age
    return job.place or take_places([job], now=now)[0]


def ahead(place: str | None, limit: int) -> list[Job]:
    """Return the first `limit` jobs of the line, of those before a place if one is given."""
    before = Job.place < place if place else None
    # The index lags behind the table; only the job itself tells whether it still waits.
    found = Job.by_place.query(LINE, before, page_size=limit + 2) if limit > 0 else ()
    waiting = (job for each in found if (job := _waiting(each.id)))
    return list(islice(waiting, max(limit, 0)))


def length(most: int) -> int:
    """Count the jobs in the line, up to `most`."""
    return Job.by_place.count(LINE, limit=most)


class Ranks:
    """Counts those that stand before a place, in a line that is read once."""

    def __init__(self) -> None:
        self._line: list[str] = []
        self._known = ""  # all places up to this one

    def of(self, places: list[str]) -> list[int]:
        """Count for each of some places those that stand before it."""
        if (last := max(places, default="")) > self._known:
            between = (
                Job.place.between(f"{self._known}~", last) if self._known else Job.place <= last
            )
            self._line += [each.place for each in Job.by_place.query(LINE, between)]
            self._known = last
        return [bisect_left(self._line, place) for place in places]


def _waiting(job_id: str) -> Job | None:
    try:
        job = Job.find(job_id)
    except NotFound:
        return None
    return job if job.line else None


def _caller_id(caller: str) -> str:
    return f"caller:{sha256(caller.encode()).hexdigest()}"


def _place(turn: int, job_id: str) -> str:
    return f"{turn:0{_DIGITS}d}#{job_id}"


def _turn(place: str) -> int:
    return int(place.partition("#")[0])

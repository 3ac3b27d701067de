"""Ranks and first jobs of the queue, read from an index that may lag."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.models.jobs import queue
from chalicelib.models.jobs.indexes import QUEUE
from chalicelib.models.jobs.job import Job
from tests.models.queueing import dequeue, enqueue, ids_of, order

pytestmark = pytest.mark.usefixtures("aws")


@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.randoms())
@settings(max_examples=15)
def test_a_rank_is_the_number_of_jobs_ahead_in_the_queue(counts: list[int], seed: Any) -> None:
    while dequeue():
        pass
    jobs = [job for owner, count in enumerate(counts) for job in enqueue(f"{owner}", count)]
    seed.shuffle(jobs)
    ranks = queue.Ranks().of([str(job.sort_key) for job in jobs])
    assert [order()[rank] for rank in ranks] == [job.id for job in jobs]


def test_first_returns_the_first_jobs_of_the_queue_or_those_ahead_of_a_sort_key() -> None:
    jobs = enqueue("a", 6)
    ids = [job.id for job in jobs]
    assert ids_of(queue.first(None, 2)) == ids[:2]
    assert ids_of(queue.first(jobs[3].sort_key, 2)) == ids[:2]
    assert ids_of(queue.first(jobs[3].sort_key, 9)) == ids[:3]
    assert ids_of(queue.first(jobs[0].sort_key, 9)) == []
    assert [queue.first(None, limit) for limit in (0, -1)] == [[], []]


class LaggingIndex:
    """An index that still lists the jobs that were in the queue when it was made."""

    def __init__(self) -> None:
        self.known = list(Job.by_queue.query(QUEUE))

    def query(self, name: str, *_: object, **__: object) -> Iterator[Any]:
        return iter(self.known)


def test_a_job_that_left_the_queue_is_skipped_while_the_index_still_lists_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = enqueue("a", 4)
    monkeypatch.setattr(Job, "by_queue", LaggingIndex())
    jobs[0].delete()
    jobs[1].cancel({"code": "canceled"}, now=1001)
    assert ids_of(queue.first(None, 2)) == [jobs[2].id, jobs[3].id]

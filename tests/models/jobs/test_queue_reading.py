"""Who stands before whom in the queue, as far as its index knows."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.models.jobs import queue
from chalicelib.models.jobs.indexes import QUEUE
from chalicelib.models.jobs.job import Job
from tests.models.queueing import come, go, order, standing

pytestmark = pytest.mark.usefixtures("aws")


@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.randoms())
@settings(max_examples=15)
def test_a_rank_is_the_number_of_those_before(counts: list[int], seed: Any) -> None:
    while go():
        pass
    jobs = [job for caller, count in enumerate(counts) for job in come(f"{caller}", count)]
    seed.shuffle(jobs)
    ranks = queue.Ranks().of([str(job.sort_key) for job in jobs])
    assert [order()[rank] for rank in ranks] == [job.id for job in jobs]


def test_those_ahead_are_the_first_of_the_queue_or_of_those_before_a_place() -> None:
    jobs = come("a", 6)
    ids = [job.id for job in jobs]
    assert standing(queue.first(None, 2)) == ids[:2]
    assert standing(queue.first(jobs[3].sort_key, 2)) == ids[:2]
    assert standing(queue.first(jobs[3].sort_key, 9)) == ids[:3]
    assert standing(queue.first(jobs[0].sort_key, 9)) == []
    assert [queue.first(None, limit) for limit in (0, -1)] == [[], []]


class LaggingIndex:
    """Tells what it was told once, whatever has become of it."""

    def __init__(self) -> None:
        self.known = list(Job.by_queue.query(QUEUE))

    def query(self, name: str, *_: object, **__: object) -> Iterator[Any]:
        return iter(self.known)


def test_who_left_the_queue_does_not_count_however_late_the_index_hears_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = come("a", 4)
    monkeypatch.setattr(Job, "by_queue", LaggingIndex())
    jobs[0].delete()
    jobs[1].cancel({"code": "canceled"}, now=1001)
    assert standing(queue.first(None, 2)) == [jobs[2].id, jobs[3].id]

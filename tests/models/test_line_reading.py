"""Who stands before whom in the line, as far as its index knows."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.models import line
from chalicelib.models.job import Job
from chalicelib.models.job_index import LINE
from tests.models.lining import come, go, order, standing

pytestmark = pytest.mark.usefixtures("aws")


@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.randoms())
@settings(max_examples=15)
def test_a_rank_is_the_number_of_those_before(counts: list[int], seed: Any) -> None:
    while go():
        pass
    jobs = [job for caller, count in enumerate(counts) for job in come(f"{caller}", count)]
    seed.shuffle(jobs)
    ranks = line.Ranks().of([str(job.place) for job in jobs])
    assert [order()[rank] for rank in ranks] == [job.id for job in jobs]


def test_those_ahead_are_the_first_of_the_line_or_of_those_before_a_place() -> None:
    jobs = come("a", 6)
    ids = [job.id for job in jobs]
    assert standing(line.ahead(None, 2)) == ids[:2]
    assert standing(line.ahead(jobs[3].place, 2)) == ids[:2]
    assert standing(line.ahead(jobs[3].place, 9)) == ids[:3]
    assert standing(line.ahead(jobs[0].place, 9)) == []
    assert [line.ahead(None, limit) for limit in (0, -1)] == [[], []]


class LaggingIndex:
    """Tells what it was told once, whatever has become of it."""

    def __init__(self) -> None:
        self.known = list(Job.by_place.query(LINE))

    def query(self, name: str, *_: object, **__: object) -> Iterator[Any]:
        return iter(self.known)


def test_who_left_the_line_does_not_count_however_late_the_index_hears_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = come("a", 4)
    monkeypatch.setattr(Job, "by_place", LaggingIndex())
    jobs[0].delete()
    jobs[1].cancel({"code": "canceled"}, now=1001)
    assert standing(line.ahead(None, 2)) == [jobs[2].id, jobs[3].id]

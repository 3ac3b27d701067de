"""The line for the GPUs: who stands where, and for how long at most."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.models.jobs import queue
from tests.models.queueing import come, come_back, go, order, served_between

pytestmark = pytest.mark.usefixtures("aws")

_stories = itertools.count(1)


class Story:
    """Callers who come and a head that goes, each event a second after the one before."""

    def __init__(self) -> None:
        number = next(_stories)  # all stories share a table; each has callers of its own
        self.now, self.name = number * 1_000_000.0, f"story {number}"
        self.come_at: dict[str, int] = {}
        self.gone_at: dict[str, int] = {}
        self.caller: dict[str, str] = {}
        self.lonely: set[str] = set()  # those whose caller had no other in the queue
        self.moments = itertools.count()

    def come(self, caller: str, count: int) -> None:
        self.now += 1
        waiting = {self.caller[job_id] for job_id in self.come_at.keys() - self.gone_at.keys()}
        for index, job in enumerate(come(f"{self.name} {caller}", count, now=self.now)):
            self.come_at[job.id], self.caller[job.id] = next(self.moments), caller
            if caller not in waiting and index == 0:
                self.lonely.add(job.id)

    def go(self) -> None:
        self.now += 1
        if job_id := go():
            self.gone_at[job_id] = next(self.moments)

    def end(self) -> None:
        while len(self.gone_at) < len(self.come_at):
            self.go()

    def of(self, caller: str) -> Iterator[str]:
        """Yield a caller's jobs in the order in which they came."""
        return (each for each in self.come_at if self.caller[each] == caller)


arrivals = st.tuples(st.sampled_from("abc"), st.integers(1, 4))
stories = st.lists(arrivals | st.none(), min_size=3, max_size=14)


def told(events: list[tuple[str, int] | None]) -> Story:
    story = Story()
    for event in events:
        story.come(*event) if event else story.go()
    story.end()
    return story


@settings(max_examples=25)
@given(events=stories)
def test_nobody_is_overtaken_by_more_than_two_images_of_each_other_caller(
    events: list[tuple[str, int] | None],
) -> None:
    story = told(events)
    assert story.gone_at.keys() == story.come_at.keys()
    for caller in "abc":
        ids = list(story.of(caller))
        assert [each for each in story.gone_at if each in ids] == ids  # first come, first served
        for first, second in itertools.pairwise(ids):
            # Between two images of a caller who waits all the time:
            if story.come_at[second] < story.gone_at[first]:
                between = served_between(story, story.gone_at[first], story.gone_at[second])
                assert max(between.values(), default=0) <= 2
    for job_id in story.lonely:
        # Before the first image of a caller who waits for no other:
        before = served_between(story, story.come_at[job_id], story.gone_at[job_id])
        assert max(before.values(), default=0) <= 2


def test_images_of_one_caller_are_made_in_their_order() -> None:
    ids = [job.id for count in (1, 3, 2) for job in come("a", count)]
    assert order() == ids


def test_callers_take_turns() -> None:
    a, b, c = ([job.id for job in come(caller, 3)] for caller in "abc")
    assert order() == [a[0], b[0], c[0], a[1], b[1], c[1], a[2], b[2], c[2]]


def test_a_single_image_stands_behind_the_head_of_a_burst() -> None:
    burst = [job.id for job in come("a", 200, now=1000)]
    for _ in range(5):
        go()
    [single] = come("b", now=1010)
    assert order()[:3] == [burst[5], single.id, burst[6]]
    assert queue.first(single.sort_key, 10)[0].id == burst[5]
    assert queue.Ranks().of([str(single.sort_key)]) == [1]


def test_turns_of_the_past_are_no_punishment() -> None:
    come("a", 200, now=1000)
    while go():
        pass
    [other] = come("b", 2, now=2000)[1:]
    [again] = come("a", now=2001)
    assert order().index(again.id) == 1
    assert again.sort_key < other.sort_key


def test_turns_of_the_past_are_no_advantage() -> None:
    burst = come("a", 3, now=1000)
    go()
    [newcomer] = come("b", now=1001)
    [more] = come("a", now=1002)
    assert order() == [burst[1].id, newcomer.id, burst[2].id, more.id]


def test_turns_that_were_canceled_are_no_punishment() -> None:
    come("b", 20, now=1000)
    for job in come("a", 20, now=1001):
        job.cancel({"code": "canceled"}, now=1002)
        queue.give_back([job])
    [again] = come("a", now=1003)
    assert order().index(again.id) <= 2


def test_a_job_that_had_its_turn_comes_back_before_those_who_had_none() -> None:
    tried = come_back(created_at=1000)
    waiting = come("a", 2, now=1001)
    tried.put_back("queued", None, due_at=2000, sort_key=queue.sort_key(tried, now=1100))
    assert order() == [tried.id, *(job.id for job in waiting)]


def test_a_job_that_came_back_is_no_reason_to_overtake_others() -> None:
    tried = come_back(created_at=1000)
    [waiting] = come("a", now=1010)
    tried.put_back("queued", None, due_at=2000, sort_key=queue.sort_key(tried, now=1020))
    burst = come("b", 100, now=1021)
    assert order()[:3] == [tried.id, waiting.id, burst[0].id]


def test_a_job_that_came_late_to_a_long_line_comes_back_before_it() -> None:
    waiting = come("a", 5, now=1000)
    tried = come_back(created_at=1600)
    tried.put_back("queued", None, due_at=2000, sort_key=queue.sort_key(tried, now=1700))
    assert order() == [tried.id, *(job.id for job in waiting)]

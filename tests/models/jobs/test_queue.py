"""The order of the queue, and how many jobs may overtake another one."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.models.jobs import queue
from tests.models.queueing import dequeue, enqueue, job_without_slot, order, served_between

pytestmark = pytest.mark.usefixtures("aws")

_stories = itertools.count(1)


class Story:
    """Events, one a second: jobs of an owner join the queue, or its head leaves it."""

    def __init__(self) -> None:
        number = next(_stories)  # all stories share a table; each has owners of its own
        self.now, self.name = number * 1_000_000.0, f"story {number}"
        self.joined_at: dict[str, int] = {}
        self.left_at: dict[str, int] = {}
        self.owner_of: dict[str, str] = {}
        # Jobs that joined when their owner had no other in the queue:
        self.first_waiting: set[str] = set()
        self.moments = itertools.count()

    def enqueue(self, owner: str, count: int) -> None:
        self.now += 1
        waiting = {self.owner_of[job_id] for job_id in self.joined_at.keys() - self.left_at.keys()}
        for index, job in enumerate(enqueue(f"{self.name} {owner}", count, now=self.now)):
            self.joined_at[job.id], self.owner_of[job.id] = next(self.moments), owner
            if owner not in waiting and index == 0:
                self.first_waiting.add(job.id)

    def dequeue(self) -> None:
        self.now += 1
        if job_id := dequeue():
            self.left_at[job_id] = next(self.moments)

    def empty(self) -> None:
        while len(self.left_at) < len(self.joined_at):
            self.dequeue()

    def jobs_of(self, owner: str) -> Iterator[str]:
        """Yield an owner's jobs in the order in which they joined."""
        return (each for each in self.joined_at if self.owner_of[each] == owner)


arrivals = st.tuples(st.sampled_from("abc"), st.integers(1, 4))
stories = st.lists(arrivals | st.none(), min_size=3, max_size=14)


def play(events: list[tuple[str, int] | None]) -> Story:
    story = Story()
    for event in events:
        story.enqueue(*event) if event else story.dequeue()
    story.empty()
    return story


@settings(max_examples=25)
@given(events=stories)
def test_a_job_is_overtaken_by_at_most_two_jobs_of_each_other_owner(
    events: list[tuple[str, int] | None],
) -> None:
    story = play(events)
    assert story.left_at.keys() == story.joined_at.keys()
    for owner in "abc":
        ids = list(story.jobs_of(owner))
        assert [each for each in story.left_at if each in ids] == ids  # first come, first served
        for first, second in itertools.pairwise(ids):
            # Between two jobs of an owner that wait at the same time:
            if story.joined_at[second] < story.left_at[first]:
                between = served_between(story, story.left_at[first], story.left_at[second])
                assert max(between.values(), default=0) <= 2
    for job_id in story.first_waiting:
        # Before a job whose owner had no other in the queue:
        before = served_between(story, story.joined_at[job_id], story.left_at[job_id])
        assert max(before.values(), default=0) <= 2


def test_jobs_of_one_owner_keep_their_order() -> None:
    ids = [job.id for count in (1, 3, 2) for job in enqueue("a", count)]
    assert order() == ids


def test_owners_alternate_in_the_queue() -> None:
    a, b, c = ([job.id for job in enqueue(owner, 3)] for owner in "abc")
    assert order() == [a[0], b[0], c[0], a[1], b[1], c[1], a[2], b[2], c[2]]


def test_an_owner_of_large_images_gets_no_larger_share_of_the_gpu() -> None:
    """A share is counted in megapixel-steps: one image of six units is as much as three of two."""
    large = [job.id for job in enqueue("a", 3, units=6)]
    small = [job.id for job in enqueue("b", 6, units=2)]
    assert order()[:8] == [large[0], small[0], small[1], small[2], large[1], *small[3:]]


def test_a_single_job_comes_before_the_rest_of_another_owners_burst() -> None:
    burst = [job.id for job in enqueue("a", 200, now=1000)]
    for _ in range(5):
        dequeue()
    [single] = enqueue("b", now=1010)
    assert order()[:3] == [single.id, burst[5], burst[6]]


def test_jobs_that_left_the_queue_do_not_delay_their_owners_next_job() -> None:
    enqueue("a", 200, now=1000)
    while dequeue():
        pass
    [other] = enqueue("b", 2, now=2000)[1:]
    [again] = enqueue("a", now=2001)
    assert order().index(again.id) == 1
    assert again.sort_key < other.sort_key


def test_jobs_that_left_the_queue_do_not_advance_their_owners_next_job() -> None:
    burst = enqueue("a", 3, now=1000)
    dequeue()
    [newcomer] = enqueue("b", now=1001)
    [more] = enqueue("a", now=1002)
    assert order() == [newcomer.id, burst[1].id, burst[2].id, more.id]


def test_canceled_jobs_do_not_delay_their_owners_next_job() -> None:
    enqueue("b", 20, now=1000)
    for job in enqueue("a", 20, now=1001):
        job.cancel({"code": "canceled"}, now=1002)
        queue.give_back([job])
    [again] = enqueue("a", now=1003)
    assert order().index(again.id) <= 2


def test_a_job_that_lost_its_slot_returns_to_the_head_of_the_queue() -> None:
    tried = job_without_slot(created_at=1000)
    waiting = enqueue("a", 2, now=1001)
    tried.put_back("queued", None, due_at=2000, sort_key=queue.sort_key(tried, now=1100))
    assert order() == [tried.id, *(job.id for job in waiting)]


def test_a_job_that_lost_its_slot_lets_no_new_job_overtake_waiting_ones() -> None:
    tried = job_without_slot(created_at=1000)
    [waiting] = enqueue("a", now=1010)
    tried.put_back("queued", None, due_at=2000, sort_key=queue.sort_key(tried, now=1020))
    burst = enqueue("b", 100, now=1021)
    assert order()[:3] == [tried.id, waiting.id, burst[0].id]


def test_a_job_that_lost_its_slot_returns_to_the_head_even_before_older_jobs() -> None:
    waiting = enqueue("a", 5, now=1000)
    tried = job_without_slot(created_at=1600)
    tried.put_back("queued", None, due_at=2000, sort_key=queue.sort_key(tried, now=1700))
    assert order() == [tried.id, *(job.id for job in waiting)]

"""Priorities: an interactive job comes before its owner's batch jobs, at the cost of no other."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.models.jobs import queue
from chalicelib.models.jobs.attempt import Attempt, attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.priority import BATCH, INTERACTIVE
from tests.models.failing_dynamodb import lost_answer
from tests.models.queueing import dequeue, enqueue, order

pytestmark = pytest.mark.usefixtures("aws")


def ids(jobs: list[Job]) -> list[str]:
    return [str(job.id) for job in jobs]


def batch(owner: str, count: int = 1, *, now: float = 1000.0, units: int = 1) -> list[Job]:
    return enqueue(owner, count, now=now, priority=BATCH, units=units)


def turns() -> list[tuple[str, str]]:
    """Return the turns of the queue, and whose they are."""
    waiting = [(each.sort_key.partition("#")[0], each.id) for each in queue.first(1000)]
    return sorted((time, str(Job.find(job_id).owner)) for time, job_id in waiting)


def test_an_interactive_job_stands_before_its_owners_batch_jobs() -> None:
    waiting = ids(batch("a", 4))
    [urgent] = ids(enqueue("a"))
    assert order() == [urgent, *waiting[1:], waiting[0]]


def test_interactive_jobs_keep_their_order() -> None:
    waiting = ids(batch("a", 3))
    urgent = ids([*enqueue("a"), *enqueue("a", 2)])
    assert order() == [*urgent, *waiting]


def test_an_interactive_job_stands_behind_the_interactive_jobs_of_its_owner() -> None:
    [first] = ids(enqueue("a"))
    waiting = ids(batch("a", 2))
    [second] = ids(enqueue("a"))
    assert order() == [first, second, waiting[1], waiting[0]]


def test_a_batch_job_stands_behind_all_jobs_of_its_owner() -> None:
    urgent = ids(enqueue("a", 2))
    [patient] = ids(batch("a"))
    assert order() == [*urgent, patient]


def test_an_interactive_job_takes_no_turn_of_another_owner() -> None:
    others = ids(batch("b", 3))
    [mine] = ids(enqueue("a"))
    assert order() == [others[0], mine, *others[1:]]


arrivals = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([BATCH, INTERACTIVE]), st.integers(1, 3)),
    min_size=1,
    max_size=8,
)
_stories = itertools.count(1)


def turns_after(arrivals: list[tuple[str, str, int]], *, equal: bool) -> list[tuple[int, str]]:
    """Have jobs arrive, all with the same priority if `equal`; return the owners' turns."""
    story = next(_stories)  # owners of its own, whose virtual time begins at that of the story
    while dequeue():
        pass
    for owner, priority, count in arrivals:
        how = INTERACTIVE if equal else priority
        enqueue(f"{story} {owner}", count, now=story * 1000.0, priority=how)
    return [(int(time) - 2 * story * 1_000_000, owner[-1]) for time, owner in turns()]


@settings(max_examples=25)
@given(arrivals=arrivals)
def test_priorities_change_no_owners_turns(arrivals: list[tuple[str, str, int]]) -> None:
    """Of images of one size each owner is served when it would be without priorities."""
    assert turns_after(arrivals, equal=False) == turns_after(arrivals, equal=True)


def test_a_batch_job_that_lost_its_slot_keeps_its_place_before_interactive_jobs() -> None:
    returned, waiting = batch("a", 2)
    assert returned.claim_from_queue("a driver", now=1001, until=1031)
    made = Attempt(id=attempt_id(returned.id, 1), instance_id="i", started_at=1001, reason="first")
    returned.begin_attempt(made, queue_position=0)
    assert Job.find(returned.id).batch_owner is None
    key = queue.sort_key(returned, now=1002)
    returned.put_back("queued", None, due_at=2000, sort_key=key)
    [urgent] = enqueue("a", now=1003)
    assert order() == [returned.id, urgent.id, waiting.id]


def test_a_batch_job_that_left_the_queue_is_no_longer_exchanged() -> None:
    canceled, waiting = batch("a", 2)
    canceled.cancel({"code": "canceled"}, now=1001)
    [urgent] = enqueue("a", now=1002)
    assert order() == [urgent.id, waiting.id]
    assert Job.find(canceled.id).sort_key == canceled.sort_key


class LaggingIndex:
    """An index that still lists the jobs that were in it when it was made."""

    def __init__(self, owner: str) -> None:
        self.known = list(Job.by_batch_owner.query(owner))

    def query(self, *_: object, limit: int, **__: object) -> Iterator[Any]:
        return iter(self.known[:limit])


@pytest.mark.parametrize("way", ["is claimed", "ends", "is moved"])
def test_an_interactive_job_that_loses_the_race_for_a_turn_keeps_its_own(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    [first] = batch("a")
    monkeypatch.setattr(Job, "by_batch_owner", LaggingIndex("a"))
    if way == "is claimed":
        assert Job(first.id).claim_from_queue("a driver", now=1001, until=1031)
    elif way == "ends":
        first.cancel({"code": "canceled"}, now=1001)
        batch("b")  # so that the queue is not empty
    else:
        assert Job.find(first.id).move(f"{2_000_500:015d}#{first.id}")
        enqueue("b")
    before = Job.find(first.id).sort_key
    [urgent] = enqueue("a", now=1002)
    assert Job.find(first.id).sort_key == before
    assert urgent.sort_key > first.sort_key


def test_a_job_that_a_driver_has_claimed_is_not_moved() -> None:
    [job] = batch("a")
    seen = Job.find(job.id)
    job.claim_from_queue("a driver", now=1001, until=1031)
    assert not seen.move(f"{5:015d}#{job.id}")
    assert Job.find(job.id).sort_key == seen.sort_key


def test_of_two_moves_of_one_job_the_first_counts() -> None:
    [job] = batch("a")
    first, second = Job.find(job.id), Job.find(job.id)
    assert first.move(f"{5:015d}#{job.id}")
    assert not second.move(f"{6:015d}#{job.id}")
    assert Job.find(job.id).sort_key == f"{5:015d}#{job.id}"


def test_a_move_that_is_applied_twice_succeeds() -> None:
    [job] = batch("a")
    with lost_answer("UpdateItem"):
        assert Job.find(job.id).move(f"{5:015d}#{job.id}")

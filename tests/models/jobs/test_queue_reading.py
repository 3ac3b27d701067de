"""Reading the queue by an index that may lag, and counting it."""

import pytest

from chalicelib.models.jobs import queue
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.queue import MOST_COUNTED
from tests.models.failing_dynamodb import lost_answer
from tests.models.queueing import dequeue, enqueue, ids_of

pytestmark = pytest.mark.usefixtures("aws")


def test_first_returns_the_first_jobs_of_the_queue_with_their_checkpoints() -> None:
    jobs = enqueue("a", 6, checkpoint="b.safetensors")
    assert ids_of(queue.first(2)) == [job.id for job in jobs[:2]]
    assert ids_of(queue.first(9)) == [job.id for job in jobs]
    assert {(each.id, each.sort_key, each.checkpoint) for each in queue.first(9)} == {
        (job.id, job.sort_key, "b.safetensors") for job in jobs
    }


def test_a_queue_without_jobs_is_empty() -> None:
    assert queue.is_empty()
    enqueue("a")
    assert not queue.is_empty()
    dequeue()
    assert queue.is_empty()


def test_a_job_is_claimed_from_the_queue_once() -> None:
    """However long the index lists it."""
    [job] = enqueue("a")
    first, second = Job(job.id), Job(job.id)
    assert first.claim_from_queue("a driver", now=1001, until=1031)
    assert not second.claim_from_queue("another", now=1002, until=1032)
    assert (first.owner, first.held_lease) == ("a", "a driver")
    assert (second.held_lease, Job.find(job.id).lease) == (None, "a driver")


def test_a_claim_that_is_applied_twice_succeeds() -> None:
    [job] = enqueue("a")
    with lost_answer("UpdateItem"):
        assert Job(job.id).claim_from_queue("a driver", now=1001, until=1031)


def test_a_job_whose_driver_died_in_the_queue_can_be_claimed_when_its_lease_has_ended() -> None:
    [job] = enqueue("a")
    assert Job(job.id).claim_from_queue("a driver that dies", now=1001, until=1031)
    assert not Job(job.id).claim_from_queue("another", now=1030, until=1060)
    assert Job(job.id).claim_from_queue("another", now=1031, until=1061)


def test_a_job_that_left_the_queue_is_not_claimed_while_the_index_still_lists_it() -> None:
    canceled, deleted, driven = enqueue("a", 3)
    canceled.cancel({"code": "canceled"}, now=1001)
    deleted.delete()
    Job.find(driven.id).update([Job.queue.remove()])
    for job in (canceled, deleted, driven):
        assert not Job(job.id).claim_from_queue("a driver", now=1002, until=1032)
    assert len(list(Job.scan(Job.id == deleted.id))) == 0


def test_the_length_is_exact_up_to_a_hundred_jobs_whatever_was_counted() -> None:
    enqueue("a", MOST_COUNTED)
    queue.count(7)
    assert (queue.counted(), queue.length(), queue.counted()) == (7, MOST_COUNTED, MOST_COUNTED)


def test_a_length_of_more_than_a_hundred_jobs_is_what_was_counted() -> None:
    enqueue("a", MOST_COUNTED + 1)
    assert queue.length() == MOST_COUNTED + 1
    queue.count(250)
    queue.count(-20)
    assert (queue.length(), queue.counted()) == (230, 230)


def test_the_length_is_never_negative() -> None:
    queue.count(-3)
    assert queue.counted() == 0
    assert (queue.length(), queue.counted()) == (0, 0)

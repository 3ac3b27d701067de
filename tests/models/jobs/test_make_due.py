"""A job in the queue can be made due, unless a driver has it."""

import pytest

from chalicelib.models.jobs.job import Job
from chalicelib.signals import JobBusy, LeaseLost
from tests.models.queueing import enqueue

pytestmark = pytest.mark.usefixtures("aws")


def test_a_queued_job_that_is_made_due_can_be_claimed_at_once() -> None:
    [job] = enqueue("a", now=1000)
    with pytest.raises(JobBusy):
        Job.find(job.id).claim("driver", now=1010, until=1040)
    Job.find(job.id).make_due(now=1010)
    Job.find(job.id).claim("driver", now=1010, until=1040)


def test_a_queued_job_that_was_claimed_meanwhile_is_not_made_due() -> None:
    [job] = enqueue("a", now=1000)
    late = Job.find(job.id)
    job.make_due(now=1010)
    Job.find(job.id).claim("driver", now=1010, until=1040)
    with pytest.raises(LeaseLost):
        late.make_due(now=1011)
    found = Job.find(job.id)
    assert (found.lease, found.due_at) == ("driver", 1040)


@pytest.mark.parametrize("way", ["leaves the queue", "ends"])
def test_a_job_that_left_the_queue_or_ended_is_not_made_due(way: str) -> None:
    [job] = enqueue("a", now=1000)
    late = Job.find(job.id)
    if way == "ends":
        Job.find(job.id).cancel({"code": "canceled"}, now=1001)
    else:
        job.update([Job.queue.remove()])
    with pytest.raises(LeaseLost):
        late.make_due(now=1011)
    assert Job.find(job.id).due_at == 1300


def test_a_queued_job_whose_driver_died_can_be_made_due_after_its_lease() -> None:
    [job] = enqueue("a", now=1000)
    job.make_due(now=1010)
    Job.find(job.id).claim("a driver that dies", now=1010, until=1040)
    Job.find(job.id).make_due(now=1041)
    assert (Job.find(job.id).lease, Job.find(job.id).due_at) == (None, 1041)

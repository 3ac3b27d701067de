"""A job in the queue is called: it is due now, unless a driver has it."""

import pytest

from chalicelib.models.jobs.job import Job
from chalicelib.signals import JobBusy, LeaseLost
from tests.models.queueing import come

pytestmark = pytest.mark.usefixtures("aws")


def test_a_job_that_is_called_can_be_driven_at_once() -> None:
    [job] = come("a", now=1000)
    with pytest.raises(JobBusy):
        Job.find(job.id).claim("driver", now=1010, until=1040)
    Job.find(job.id).make_due(now=1010)
    Job.find(job.id).claim("driver", now=1010, until=1040)


def test_a_job_that_a_driver_took_meanwhile_is_not_called() -> None:
    [job] = come("a", now=1000)
    late = Job.find(job.id)
    job.make_due(now=1010)
    Job.find(job.id).claim("driver", now=1010, until=1040)
    with pytest.raises(LeaseLost):
        late.make_due(now=1011)
    found = Job.find(job.id)
    assert (found.lease, found.due_at) == ("driver", 1040)


@pytest.mark.parametrize("way", ["leaves the queue", "ends"])
def test_a_job_that_does_not_wait_any_more_is_not_called(way: str) -> None:
    [job] = come("a", now=1000)
    late = Job.find(job.id)
    if way == "ends":
        Job.find(job.id).cancel({"code": "canceled"}, now=1001)
    else:
        job.update([Job.queue.remove()])
    with pytest.raises(LeaseLost):
        late.make_due(now=1011)
    assert Job.find(job.id).due_at == 1300


def test_a_job_whose_driver_died_is_called_when_its_lease_has_ended() -> None:
    [job] = come("a", now=1000)
    job.make_due(now=1010)
    Job.find(job.id).claim("a driver that dies", now=1010, until=1040)
    Job.find(job.id).make_due(now=1041)
    assert (Job.find(job.id).lease, Job.find(job.id).due_at) == (None, 1041)

"""A job that a driver takes up while no GPU serves."""

import pytest

from chalicelib.config import config
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from tests.services.fakes import Parts


@pytest.fixture
def job(parts: Parts) -> Job:
    """A job that was driven once, and found no GPU."""
    parts.ec2.turn_off()
    [job] = parts.submit()
    return Job.find(job.id)


def test_a_job_that_finds_no_gpu_waits_in_the_queue_until_its_deadline(
    parts: Parts, job: Job
) -> None:
    assert (job.status, job.status_reason) == ("queued", "waiting for a GPU")
    assert (job.is_queued, job.due_at, job.lease) == (True, job.deadline_at, None)
    assert parts.queue.take() == [("start", 0)]


def test_a_job_that_waited_for_a_gpu_succeeds_when_it_is_ready(parts: Parts, job: Job) -> None:
    parts.ec2.gone.clear()
    InstanceRecord("i-1").became_ready(now=parts.clock())
    parts.clock.advance(6)  # until EC2 is asked again
    found = parts.work(job.id)
    assert (found.status, found.status_reason, found.waits_for) == ("succeeded", None, None)


def test_a_driver_that_takes_up_a_job_past_its_deadline_ends_it(parts: Parts, job: Job) -> None:
    parts.clock.advance(config.job_deadline_seconds + 1)
    parts.driver.advance(job, until=parts.clock() + 60)
    found = Job.find(job.id)
    assert (found.status, found.error["code"]) == ("failed", "expired")
    assert "waiting for a GPU" in found.error["message"]

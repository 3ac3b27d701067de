"""How long a job waits for a ComfyUI that has its attempt and does not answer."""

import pytest

from chalicelib.config import config
from chalicelib.models.jobs.job import Job
from tests.services.fakes import Parts
from tests.services.workers import SlowComfyUI, accept_jobs, acquire_slot, slot_holders


@pytest.fixture
def parts(aws: None) -> Parts:
    """The services of a function, with two GPUs."""
    return Parts(SlowComfyUI(), SlowComfyUI())


@pytest.fixture
def job_id(parts: Parts) -> str:
    """A job that runs on the first GPU, which does not answer any more."""
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.ec2.silent = {"i-1"}
    return job_id


def work_for(parts: Parts, job_id: str, seconds: float) -> Job:
    """Have a worker process the job every five seconds."""
    end = parts.clock() + seconds
    while parts.clock() < end:
        parts.work(job_id)
        parts.clock.advance(5)
    return Job.find(job_id)


def instances_of(job_id: str) -> list[str]:
    return [each.instance_id for each in Job.find(job_id).attempts]


def test_a_job_stays_on_a_gpu_that_is_unreachable_for_less_than_a_minute(
    parts: Parts, job_id: str
) -> None:
    job = work_for(parts, job_id, 55)
    assert (job.status, job.waits_for, instances_of(job_id)) == (
        "running",
        "comfyui_unreachable",
        ["i-1"],
    )
    parts.ec2.silent = set()
    job = parts.work(job_id)
    assert (job.status, job.status_reason, instances_of(job_id)) == ("running", None, ["i-1"])
    parts.ec2.silent = {"i-1"}
    work_for(parts, job_id, 55)
    assert instances_of(job_id) == ["i-1"]  # the minute begins anew


def test_a_job_moves_to_another_gpu_when_its_own_is_unreachable_for_a_minute(
    parts: Parts, job_id: str
) -> None:
    work_for(parts, job_id, 70)
    assert instances_of(job_id) == ["i-1", "i-2"]
    assert (slot_holders("i-1"), slot_holders("i-2")) == (set(), {job_id})


def test_a_job_on_an_unreachable_gpu_is_due_again_in_five_seconds(
    parts: Parts, job_id: str
) -> None:
    parts.queue.take()
    job = parts.work(job_id)
    assert (job.due_at, job.lease) == (parts.clock() + 5, None)
    assert parts.queue.take() == []  # a follower looks at its instance


def test_a_job_from_an_unreachable_gpu_gets_the_next_free_slot(parts: Parts, job_id: str) -> None:
    others = [f"other {number}" for number in range(config.slots_per_gpu)]
    for other in others:
        known = {"parameters": {}, "lease": "a driver", "due_at": parts.clock() + 9999}
        Job.new(other, now=parts.clock(), **known).save()
        acquire_slot(other, "i-2")
    job = work_for(parts, job_id, 65)
    assert (job.status_reason, job.is_queued) == ("waiting for a free slot", True)
    parts.clock.advance(60)
    parts.dispatcher.release(Job.find(others[0]), "i-2")
    parts.work(job_id)
    assert instances_of(job_id) == ["i-1", "i-2"]

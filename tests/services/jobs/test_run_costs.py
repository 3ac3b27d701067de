"""How long a job had a GPU, and what that cost."""

from typing import Any

import pytest

from chalicelib.gateways.comfyui.errors import Failure
from chalicelib.gateways.comfyui.state import Finished
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from chalicelib.services.billing.prices import cost_of
from tests.services.fakes import SAVED, Parts
from tests.services.workers import Workers, accept_jobs

OUT_OF_MEMORY = Finished({}, Failure("out_of_memory", "the GPU ran out of memory"), 3.0)
INTERRUPTED = Finished({}, Failure("interrupted", "somebody interrupted it"), 4.0)
NODE_FAILED = Finished({}, Failure("node_failed", "it went wrong"), 5.0)
DONE = Finished(SAVED, None, 2.5)


def ended(parts: Parts, *ends: Any) -> Job:
    """Drive a job to its end; its attempts end in these ways."""
    parts.comfyui.ends = [*ends]
    [job_id] = accept_jobs(parts)
    workers = Workers(parts)
    while workers.work():
        pass
    return Job.find(job_id)


@pytest.mark.parametrize(
    ("ends", "seconds"),
    [
        ([DONE], 2.5),
        ([NODE_FAILED], 5.0),
        ([OUT_OF_MEMORY, DONE], 5.5),
        ([INTERRUPTED, DONE], 6.5),
        ([OUT_OF_MEMORY, OUT_OF_MEMORY], 6.0),
        ([INTERRUPTED, INTERRUPTED, INTERRUPTED], 12.0),
        ([Finished(SAVED, None, None)], 0),
    ],
)
def test_a_job_costs_the_seconds_of_all_its_executions(
    parts: Parts, ends: list[Finished], seconds: float
) -> None:
    job = ended(parts, *ends)
    assert not job.is_open
    assert job.gpu_seconds == seconds
    assert job.gpu_cost == pytest.approx(cost_of("g5.xlarge", seconds))
    assert {each.instance_type for each in job.attempts} == {"g5.xlarge"}


def test_an_instance_counts_the_seconds_of_failed_executions_too(parts: Parts) -> None:
    job = ended(parts, OUT_OF_MEMORY, OUT_OF_MEMORY)
    assert job.status == "failed"
    record = InstanceRecord.read(job.attempts[0].instance_id)
    assert (record.execution_total_seconds, record.execution_seconds) == (6.0, None)


def test_a_slot_that_is_freed_twice_counts_its_executions_once(parts: Parts) -> None:
    record = InstanceRecord("i-9")
    record.acquire_slot("a", now=1)
    for _ in range(2):
        record.release_slot("a", spent_seconds=7.0)
    assert InstanceRecord.read("i-9").execution_total_seconds == 7.0


def test_a_job_that_had_no_gpu_costs_nothing(parts: Parts) -> None:
    [job_id] = accept_jobs(parts)
    job = Job.find(job_id)
    assert (job.gpu_seconds, job.gpu_cost) == (0, 0)


def test_an_execution_counts_once_when_its_image_is_fetched_again(parts: Parts) -> None:
    parts.images.failures = 2
    job = ended(parts, DONE)
    assert (job.status, parts.images.puts, job.gpu_seconds) == ("succeeded", 3, 2.5)


def test_an_execution_without_an_instance_type_has_no_known_cost(parts: Parts) -> None:
    parts.ec2.type = ""
    job = ended(parts, DONE)
    assert (job.gpu_seconds, job.gpu_cost) == (2.5, None)


def test_an_instance_adds_up_the_seconds_of_its_executions(parts: Parts) -> None:
    for _ in range(3):
        ended(parts, DONE)
    assert InstanceRecord.read("i-1").execution_total_seconds == 7.5

"""The two deadlines of a job: to get a slot, and to end its execution."""

from typing import Any

import pytest
from msgspec import UNSET

from chalicelib.config import config
from chalicelib.gateways.comfyui.state import Waiting
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.schemas.generation import GenerateRequest
from tests.services.fakes import Parts
from tests.services.workers import (
    HungComfyUI,
    SlowComfyUI,
    accept_jobs,
    acquire_slot,
    request_expiring_in,
    slot_holders,
    work_all,
)

EXECUTION_SECONDS, HOUR_SECONDS = config.execution_deadline_seconds, 3600
DESCRIBE_SECONDS = 6  # after which EC2 is asked again
LATE_SECONDS = 12  # after which a sweep finds a job that was due


@pytest.fixture
def gpu() -> HungComfyUI:
    return HungComfyUI()


@pytest.fixture
def parts(aws: None, gpu: HungComfyUI) -> Parts:
    return Parts(gpu)


def turn_on(parts: Parts) -> None:
    """Turn the instance on again."""
    parts.ec2.gone.clear()
    InstanceRecord("i-1").became_ready(now=parts.clock())
    parts.clock.advance(DESCRIBE_SECONDS)


def turn_off(parts: Parts) -> None:
    parts.ec2.turn_off()
    parts.clock.advance(DESCRIBE_SECONDS)


def work_on(parts: Parts, job_id: str, *, seconds: float) -> Job:
    """Have a worker process the job every minute for so long, and once more at the end."""
    end = parts.clock() + seconds
    while parts.clock() < end:
        parts.work(job_id)
        parts.clock.advance(min(60, end - parts.clock()))
    return parts.work(job_id)


def test_an_execution_that_never_ends_fails_at_its_deadline_and_is_dropped(
    parts: Parts, gpu: HungComfyUI
) -> None:
    [job_id] = accept_jobs(parts)
    assert work_on(parts, job_id, seconds=EXECUTION_SECONDS - 1).is_open
    parts.clock.advance(1)
    job = parts.work(job_id)
    assert (job.status, job.error["code"]) == ("failed", "deadline_exceeded")
    assert f"{EXECUTION_SECONDS // 60} minutes on a GPU" in job.error["message"]
    assert gpu.dropped == [attempt_id(job_id, 1)]
    assert not isinstance(gpu.known.get(attempt_id(job_id, 1)), Waiting)


def test_the_slot_of_a_job_that_ran_too_long_goes_to_the_next_job(parts: Parts) -> None:
    *ids, waiting = accept_jobs(parts, config.slots_per_gpu + 1)
    work_all(parts, [*ids, waiting])
    work_on(parts, ids[0], seconds=EXECUTION_SECONDS - 60)
    assert parts.work(waiting).status == "queued"
    assert work_on(parts, ids[0], seconds=60).status == "failed"
    assert slot_holders() == {*ids[1:]}
    parts.work(waiting)
    assert slot_holders() == {*ids[1:], waiting}


def test_a_driver_follows_no_execution_past_its_deadline(parts: Parts, gpu: HungComfyUI) -> None:
    [job_id] = accept_jobs(parts)
    began = parts.clock()
    work_on(parts, job_id, seconds=EXECUTION_SECONDS)
    assert max(gpu.untils) == began + EXECUTION_SECONDS


def test_time_in_the_queue_does_not_count_as_execution_time(parts: Parts) -> None:
    *ids, waiting = accept_jobs(parts, config.slots_per_gpu + 1)
    work_all(parts, ids)
    parts.clock.advance(EXECUTION_SECONDS)
    assert parts.work(waiting).is_open
    for job_id in ids:
        parts.cancellation.cancel(job_id)
        parts.work(job_id)
    assert parts.work(waiting).status == "running"
    assert work_on(parts, waiting, seconds=EXECUTION_SECONDS - 1).status == "running"
    assert work_on(parts, waiting, seconds=1).status == "failed"


def test_the_execution_deadline_restarts_when_another_gpu_boots(parts: Parts) -> None:
    [job_id] = accept_jobs(parts)
    work_on(parts, job_id, seconds=EXECUTION_SECONDS - 60)
    turn_off(parts)
    assert parts.work(job_id).is_queued
    turn_on(parts)
    parts.comfyui.known.clear()
    parts.clock.advance(120)
    assert work_on(parts, job_id, seconds=EXECUTION_SECONDS - 1).status == "running"
    assert work_on(parts, job_id, seconds=1).error["code"] == "deadline_exceeded"


def test_a_job_whose_gpu_was_missing_for_a_moment_keeps_its_execution(parts: Parts) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    turn_off(parts)
    assert parts.work(job_id).is_queued
    turn_on(parts)
    job = parts.work(job_id)
    assert (job.status, job.queue, job.status_reason) == ("running", None, None)
    assert (
        work_on(parts, job_id, seconds=EXECUTION_SECONDS - 2 * DESCRIBE_SECONDS).error["code"]
        == "deadline_exceeded"
    )


def test_the_execution_deadline_restarts_when_a_job_waits_for_another_slot(aws: None) -> None:
    parts = Parts(SlowComfyUI(), SlowComfyUI())
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.ec2.gone.add("i-1")
    parts.clock.advance(DESCRIBE_SECONDS)
    others = [f"other {number}" for number in range(config.slots_per_gpu)]
    for other in others:
        known = {"parameters": {}, "lease": "a driver", "due_at": parts.clock() + HOUR_SECONDS}
        Job.new(other, now=parts.clock(), **known).save()
        acquire_slot(other, "i-2")
    assert parts.work(job_id).status == "queued"
    parts.clock.advance(EXECUTION_SECONDS)
    for other in others:
        InstanceRecord("i-2").release_slot(other)
    assert parts.work(job_id).status == "running"


def test_a_job_that_never_gets_a_slot_expires(parts: Parts, gpu: HungComfyUI) -> None:
    ids = accept_jobs(parts, config.slots_per_gpu + 1, request=request_expiring_in(HOUR_SECONDS))
    work_all(parts, ids)
    for job_id in ids[:-1]:
        InstanceRecord("i-1").release_slot(job_id)
        known = {"parameters": {}, "lease": "a driver", "due_at": parts.clock() + 2 * HOUR_SECONDS}
        Job.new(f"other {job_id}", now=parts.clock(), **known).save()
        acquire_slot(f"other {job_id}")
    parts.queue_snapshots.refresh()
    work_on(parts, ids[-1], seconds=HOUR_SECONDS)
    parts.clock.advance(LATE_SECONDS)
    parts.overdue_jobs.sweep()
    job = Job.find(ids[-1])
    assert (job.status, job.error["code"]) == ("failed", "expired")
    assert "no GPU within 1 hour;" in job.error["message"]
    assert "waiting for a free slot" in job.error["message"]


@pytest.mark.parametrize(
    ("asked", "seconds"), [(UNSET, config.job_deadline_seconds), (60, 60), (604_800, 604_800)]
)
def test_a_job_waits_for_a_slot_for_as_long_as_its_request_says(
    parts: Parts, asked: Any, seconds: int
) -> None:
    parts.ec2.turn_off()
    [job_id] = accept_jobs(parts, request=GenerateRequest(prompt="a fox", expires_in_seconds=asked))
    parts.clock.advance(seconds)
    parts.overdue_jobs.sweep()
    assert Job.find(job_id).is_open
    parts.clock.advance(LATE_SECONDS)
    parts.overdue_jobs.sweep()
    assert Job.find(job_id).error["code"] == "expired"


def test_a_job_that_gets_a_slot_in_time_has_only_the_execution_deadline(
    parts: Parts,
) -> None:
    [job_id] = accept_jobs(parts, request=request_expiring_in(60))
    parts.clock.advance(59)
    assert work_on(parts, job_id, seconds=EXECUTION_SECONDS - 1).status == "running"
    assert work_on(parts, job_id, seconds=1).error["code"] == "deadline_exceeded"


def test_a_job_that_loses_its_slot_late_expires_at_the_execution_deadline(
    parts: Parts,
) -> None:
    [job_id] = accept_jobs(parts, request=request_expiring_in(60))
    parts.work(job_id)
    parts.clock.advance(100)
    turn_off(parts)
    assert work_on(parts, job_id, seconds=EXECUTION_SECONDS - 101 - DESCRIBE_SECONDS).is_queued
    parts.clock.advance(LATE_SECONDS)
    parts.overdue_jobs.sweep()
    assert Job.find(job_id).error["code"] == "expired"


def test_an_execution_that_cannot_be_dropped_at_its_deadline_marks_the_instance_unhealthy(
    parts: Parts, gpu: HungComfyUI
) -> None:
    gpu.is_stuck = True
    [job_id] = accept_jobs(parts)
    assert work_on(parts, job_id, seconds=EXECUTION_SECONDS).status == "failed"
    assert InstanceRecord.read("i-1").unhealthy_attempt == attempt_id(job_id, 1)


def test_time_behind_other_jobs_in_comfyuis_queue_does_not_count_as_execution_time(
    parts: Parts, gpu: HungComfyUI
) -> None:
    acquire_slot("another")
    [job_id] = accept_jobs(parts)
    gpu.on_submit = lambda: gpu.known.update({attempt_id(job_id, 1): Waiting(1)})
    job = parts.work(job_id)
    assert (job.status, job.queue_position, job.running_since) == ("queued", 1, None)
    assert work_on(parts, job_id, seconds=EXECUTION_SECONDS + 60).is_open
    job = Job.find(job_id)
    job.claim("a driver", now=parts.clock(), until=parts.clock() + 5)
    job.resume(queue_position=0, now=parts.clock())
    parts.clock.advance(5)
    assert work_on(parts, job_id, seconds=EXECUTION_SECONDS - 6).status == "running"
    assert work_on(parts, job_id, seconds=1).error["code"] == "deadline_exceeded"


def test_a_job_that_never_runs_fails_when_all_before_it_could_have_ended(
    parts: Parts, gpu: HungComfyUI
) -> None:
    acquire_slot("another")
    [job_id] = accept_jobs(parts)
    gpu.on_submit = lambda: gpu.known.update({attempt_id(job_id, 1): Waiting(1)})
    longest = EXECUTION_SECONDS * config.slots_per_gpu
    assert work_on(parts, job_id, seconds=longest - 1).is_open
    assert work_on(parts, job_id, seconds=1).error["code"] == "deadline_exceeded"

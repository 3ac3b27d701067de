"""Estimates of how long a job still has to wait."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.config import config
from chalicelib.errors import GpuNotReady
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from chalicelib.services.jobs.wait_estimate import Wait, Waits
from chalicelib.signals import OutOfBudget
from tests.services.fakes import Parts
from tests.services.workers import SlowComfyUI, accept_jobs, work_all

SLOTS = config.slots_per_gpu


@pytest.fixture
def parts(aws: None) -> Parts:
    return Parts(SlowComfyUI())


def waits_of(*ids: str, now: float | None = None) -> list[Wait | None]:
    """Return the waits for GPUs that boot, if a time is given; else for one that is always on."""
    waits = Waits(lambda: now or 0, boots=now is not None)
    known = waits.of([Job.find(job_id) for job_id in ids])
    return [known.get(job_id) for job_id in ids]


def set_pace(seconds: float, instance_id: str = "i-1") -> None:
    InstanceRecord.read(instance_id).release_slot("", execution_seconds=seconds)


def test_a_running_job_has_position_zero(parts: Parts) -> None:
    [job_id] = accept_jobs(parts)
    work_all(parts, [job_id])
    assert waits_of(job_id) == [Wait(0, None)]


def test_a_queued_job_waits_for_the_jobs_with_slots_and_the_jobs_before_it(parts: Parts) -> None:
    ids = accept_jobs(parts, SLOTS + 3)
    work_all(parts, ids)
    set_pace(10)
    expected = [Wait(SLOTS + rank, 10 * (SLOTS + rank)) for rank in range(3)]
    assert waits_of(*ids[SLOTS:]) == expected
    assert waits_of(ids[-1]) == expected[-1:]


def test_a_job_that_was_just_accepted_has_a_position(parts: Parts) -> None:
    ids = accept_jobs(parts, 3)
    assert waits_of(*ids) == [Wait(0), Wait(1), Wait(2)]


def test_a_job_in_comfyuis_queue_has_its_position_there(parts: Parts) -> None:
    parts.fleet.queue_length = 2
    [job_id] = accept_jobs(parts)
    work_all(parts, [job_id])
    assert Job.find(job_id).status == "queued"
    set_pace(7.5)
    assert waits_of(job_id) == [Wait(2, 15)]


def test_a_job_that_returned_to_the_queue_has_its_position_in_the_queue(parts: Parts) -> None:
    parts.fleet.queue_length = 2
    ids = accept_jobs(parts, SLOTS + 1)
    work_all(parts, ids)
    job = Job.find(ids[0])
    job.claim("a driver", now=parts.clock(), until=parts.clock() + 60)
    job.put_back("queued", None, due_at=parts.clock() + 300, sort_key=job.sort_key)
    assert waits_of(ids[0]) == [Wait(SLOTS)]


def test_no_seconds_are_estimated_before_the_first_execution(parts: Parts) -> None:
    ids = accept_jobs(parts, SLOTS + 1)
    work_all(parts, ids)
    assert waits_of(ids[-1]) == [Wait(SLOTS, None)]


def wait(parts: Parts, reason: Exception | None = None) -> str:
    """Accept a job that finds no GPU, and return its id."""
    parts.fleet.refusal = reason or GpuNotReady("the GPU instance is starting", retry_seconds=2)
    [job_id] = accept_jobs(parts)
    work_all(parts, [job_id])
    return job_id


def set_boot(seconds: float, instance_id: str = "i-1") -> None:
    InstanceRecord(instance_id).update([InstanceRecord.boot_seconds.set(seconds)])


def test_a_job_waits_for_the_rest_of_the_boot_of_an_instance(parts: Parts) -> None:
    set_pace(10)
    set_boot(90)
    first = wait(parts)
    assert Job.find(first).status == "starting"
    [second] = accept_jobs(parts)
    now = parts.clock()
    InstanceRecord("i-1").started(now=now - 30)
    assert waits_of(first, second, now=now) == [Wait(0, 60), Wait(1, 70)]
    assert waits_of(first, now=now + 100) == [Wait(0, 0)]


def test_a_job_waits_for_the_instance_that_is_ready_first(parts: Parts) -> None:
    set_pace(10)
    set_boot(90)
    job_id, now = wait(parts), parts.clock()
    InstanceRecord("i-1").started(now=now - 30)
    InstanceRecord("i-2").started(now=now - 50)  # its boot takes as long as that of the others
    assert waits_of(job_id, now=now) == [Wait(0, 40)]


def test_a_job_waits_for_a_whole_boot_while_all_instances_are_off(parts: Parts) -> None:
    set_pace(10)
    set_boot(80)
    set_boot(100, "i-2")
    assert waits_of(wait(parts), now=parts.clock()) == [Wait(0, 90)]


def test_a_job_does_not_wait_for_a_boot_while_an_instance_is_ready(parts: Parts) -> None:
    set_pace(10)
    set_boot(90)
    job_id, now = wait(parts), parts.clock()
    InstanceRecord("i-1").started(now=now - 200)
    InstanceRecord.read("i-1").became_ready(now=now - 100)
    InstanceRecord("i-2").started(now=now)
    assert waits_of(job_id, now=now) == [Wait(0, 0)]


def test_an_instance_that_drains_has_to_boot_again(parts: Parts) -> None:
    set_pace(10)
    job_id, now = wait(parts), parts.clock()
    InstanceRecord("i-1").started(now=now - 200)
    InstanceRecord.read("i-1").became_ready(now=now - 100)
    InstanceRecord("i-1").drain(until=now + 90)
    assert waits_of(job_id, now=now) == [Wait(0, 100)]


def test_no_seconds_are_estimated_before_the_first_boot(parts: Parts) -> None:
    set_pace(10)
    assert waits_of(wait(parts), now=parts.clock()) == [Wait(0, None)]


def test_no_seconds_are_estimated_while_no_instance_may_start(parts: Parts) -> None:
    set_pace(10)
    set_boot(90)
    job_id, now = wait(parts), parts.clock()
    InstanceRecord("i-1").update([InstanceRecord.unhealthy_until.set(now + 60)])
    assert waits_of(job_id, now=now) == [Wait(0, None)]


def test_no_seconds_are_estimated_for_a_job_that_waits_for_the_budget(parts: Parts) -> None:
    set_pace(10)
    set_boot(90)
    job_id = wait(parts, OutOfBudget("the daily budget is used up"))
    assert waits_of(job_id, now=parts.clock()) == [Wait(0, None)]


def test_without_a_gpu_at_work_the_pace_is_that_of_the_last_executions(parts: Parts) -> None:
    set_pace(10)
    set_pace(20, "i-2")
    ids = accept_jobs(parts, 3)
    assert waits_of(*ids) == [Wait(0, 0), Wait(1, 15), Wait(2, 30)]


def test_a_job_that_has_ended_has_no_estimate(parts: Parts) -> None:
    done, canceled = accept_jobs(parts, 2)
    work_all(parts, [done])
    comfyui: Any = parts.comfyui
    comfyui.end(done)
    work_all(parts, [done])
    parts.cancellation.cancel(canceled)
    assert waits_of(done, canceled) == [None, None]


def test_two_gpus_halve_the_estimated_seconds(aws: None) -> None:
    parts = Parts(SlowComfyUI(), SlowComfyUI())
    ids = accept_jobs(parts, 2 * SLOTS + 1)
    work_all(parts, ids)
    set_pace(10, "i-1")
    set_pace(20, "i-2")
    assert waits_of(ids[-1]) == [Wait(2 * SLOTS, round(2 * SLOTS * 15 / 2))]


def test_a_gpu_without_jobs_does_not_change_the_estimate(parts: Parts) -> None:
    set_pace(1, "i-9")
    set_pace(10)
    ids = accept_jobs(parts, SLOTS + 1)
    work_all(parts, ids)
    assert waits_of(ids[-1]) == [Wait(SLOTS, 10 * SLOTS)]


def test_without_jobs_there_are_no_estimates(aws: None) -> None:
    assert Waits(lambda: 0, boots=True).of([]) == {}


@settings(max_examples=10)
@given(callers=st.lists(st.sampled_from("abc"), min_size=1, max_size=8))
def test_positions_are_all_different_and_without_a_gap(aws: None, callers: list[str]) -> None:
    parts = Parts()
    ids = [job_id for caller in callers for job_id in accept_jobs(parts, owner=caller)]
    found = [wait.position for wait in waits_of(*ids) if wait]
    for job_id in ids:
        parts.cancellation.cancel(job_id)
    assert sorted(position or 0 for position in found) == list(range(len(ids)))

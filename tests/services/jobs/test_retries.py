"""Attempts that failed: which are retried, how often, and what happens to the earlier ones."""

from typing import Any

import pytest

from chalicelib.errors import ComfyUIUnreachable
from chalicelib.gateways.comfyui.errors import Failure
from chalicelib.gateways.comfyui.state import Finished, ImageFile, State
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.signals import NoProgress
from tests.services.fakes import SAVED, FakeComfyUI, Parts
from tests.services.workers import Workers, accept_jobs, acquire_slot, slot_holders

OUT_OF_MEMORY = Finished({}, Failure("out_of_memory", "the GPU ran out of memory"))
GPU_FAILED = Finished({}, Failure("gpu_failed", "the GPU reported a fault"))
NODE_FAILED = Finished({}, Failure("node_failed", "it went wrong"), 5.0)
NO_PROGRESS = "no progress for 300 seconds"


class HangingComfyUI(FakeComfyUI):
    """Makes no progress in its first `hangs` executions."""

    hangs = 0

    def follow(self, attempt_id: str, events: None, *, until: float, report: Any) -> State:
        if self.hangs:
            self.hangs -= 1
            raise NoProgress(NO_PROGRESS, attempt_id=attempt_id)
        return super().follow(attempt_id, events, until=until, report=report)


@pytest.fixture
def parts(aws: None) -> Parts:
    return Parts(HangingComfyUI())


def hanging(parts: Parts, executions: int = 1) -> Parts:
    assert isinstance(parts.comfyui, HangingComfyUI)
    parts.comfyui.hangs = executions
    return parts


def ended(parts: Parts, *ends: object) -> Job:
    """Drive a job to its end; its attempts end in these ways, and the next one with an image."""
    parts.comfyui.ends = [*ends]  # type: ignore[list-item]
    [job_id] = accept_jobs(parts)
    workers = Workers(parts)
    while workers.work():
        pass
    return Job.find(job_id)


def reasons(job: Job) -> list[str]:
    return [each.reason for each in job.attempts]


def unhealthy_attempt(instance_id: str = "i-1") -> str | None:
    found: str | None = InstanceRecord.read(instance_id).unhealthy_attempt
    return found


def test_a_gpu_out_of_memory_is_freed_and_the_job_is_retried(parts: Parts) -> None:
    job = ended(parts, OUT_OF_MEMORY)
    assert (job.status, parts.comfyui.freed) == ("succeeded", 1)
    assert reasons(job) == ["first", "out_of_memory"]
    assert unhealthy_attempt() is None


def test_memory_is_freed_before_the_next_attempt(parts: Parts) -> None:
    freed: list[int] = []
    parts.comfyui.on_submit = lambda: freed.append(parts.comfyui.freed)
    ended(parts, OUT_OF_MEMORY)
    assert freed == [0, 1]


def test_a_job_that_runs_out_of_memory_twice_fails(parts: Parts) -> None:
    job = ended(parts, OUT_OF_MEMORY, OUT_OF_MEMORY)
    assert (job.status, job.error["code"]) == ("failed", "out_of_memory")
    assert (len(parts.comfyui.submitted), parts.comfyui.freed) == (2, 1)
    assert slot_holders() == set()


def test_memory_that_could_not_be_freed_is_freed_later(parts: Parts) -> None:
    free = parts.comfyui.free

    def fail_once() -> None:
        parts.comfyui.free = free  # type: ignore[method-assign]
        raise ComfyUIUnreachable("ComfyUI did not answer")

    parts.comfyui.free = fail_once  # type: ignore[method-assign]
    job = ended(parts, OUT_OF_MEMORY)
    assert (job.status, parts.comfyui.freed) == ("succeeded", 1)
    assert len(parts.comfyui.submitted) == 2


def test_a_gpu_fault_marks_the_instance_unhealthy_and_the_job_is_retried(parts: Parts) -> None:
    parts.comfyui.ends = [GPU_FAILED]
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    assert unhealthy_attempt() == attempt_id(job_id, 1)
    parts.clock.advance(2)  # meanwhile ComfyUI is restarted, and healthy
    job = parts.work(job_id)
    assert unhealthy_attempt() is None
    assert (job.status, reasons(job)) == ("succeeded", ["first", "gpu_failed"])


def test_a_job_is_retried_on_another_instance_after_a_gpu_fault(aws: None) -> None:
    broken = FakeComfyUI(GPU_FAILED)
    broken.is_stuck = True
    parts = Parts(broken, FakeComfyUI())
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.clock.advance(2)
    assert parts.work(job_id).is_queued
    job = parts.work(job_id)
    assert [each.instance_id for each in job.attempts] == ["i-1", "i-2"]
    assert (job.status, slot_holders("i-1"), slot_holders("i-2")) == ("succeeded", set(), set())


def test_a_job_fails_after_two_gpu_faults(parts: Parts) -> None:
    job = ended(parts, GPU_FAILED, GPU_FAILED)
    assert (job.status, job.error["code"]) == ("failed", "gpu_failed")
    assert reasons(job) == ["first", "gpu_failed"]
    assert len(parts.comfyui.submitted) == 2


def test_each_kind_of_fault_is_retried_once(parts: Parts) -> None:
    job = ended(parts, GPU_FAILED, OUT_OF_MEMORY)
    assert (job.status, len(job.attempts)) == ("succeeded", 3)
    assert ended(parts, GPU_FAILED, OUT_OF_MEMORY, OUT_OF_MEMORY).error["code"] == "out_of_memory"


def test_an_execution_without_progress_is_dropped_and_retried(parts: Parts) -> None:
    [job_id] = accept_jobs(hanging(parts))
    job = parts.work(job_id)
    assert parts.comfyui.dropped == [attempt_id(job_id, 1)]
    assert (job.lease, job.due_at) == (None, parts.clock() + 2)
    parts.clock.advance(2)
    job = parts.work(job_id)
    assert (job.status, reasons(job)) == ("succeeded", ["first", "no_progress"])
    assert unhealthy_attempt() is None


def test_an_execution_without_progress_that_cannot_be_dropped_marks_the_instance_unhealthy(
    parts: Parts,
) -> None:
    parts.comfyui.is_stuck = True
    [job_id] = accept_jobs(hanging(parts))
    parts.work(job_id)
    assert unhealthy_attempt() == attempt_id(job_id, 1)
    parts.comfyui.is_stuck = False  # as ComfyUI is restarted
    parts.clock.advance(2)
    job = parts.work(job_id)
    assert (job.status, reasons(job)[1]) == ("succeeded", "no_progress")


def test_an_execution_without_progress_is_dropped_later_if_comfyui_does_not_answer(
    parts: Parts,
) -> None:
    drop = parts.comfyui.drop

    def time_out(attempt_id: str) -> bool:
        parts.comfyui.drop = drop  # type: ignore[method-assign]
        raise ComfyUIUnreachable("ComfyUI did not answer")

    parts.comfyui.drop = time_out  # type: ignore[method-assign]
    [job_id] = accept_jobs(hanging(parts, 2))
    job = parts.work(job_id)
    assert (job.status_reason, job.end_reason, unhealthy_attempt()) == (
        "ComfyUI did not answer",
        None,
        None,
    )
    parts.clock.advance(5)
    assert parts.work(job_id).end_reason == "no_progress"
    assert parts.comfyui.dropped == [attempt_id(job_id, 1)]


def test_a_job_fails_after_three_executions_without_progress(parts: Parts) -> None:
    job = ended(hanging(parts, 9))
    assert (job.status, job.error["code"]) == ("failed", "attempts_exhausted")
    assert NO_PROGRESS in job.error["message"]
    assert len(parts.comfyui.submitted) == 3


def test_a_job_fails_after_ten_attempts_that_were_never_executed(parts: Parts) -> None:
    acquire_slot("another")  # is before it in ComfyUI's queue
    job = ended(parts, *[None] * 99)
    assert (job.status, job.error["code"]) == ("failed", "attempts_exhausted")
    assert len(parts.comfyui.submitted) == len(job.attempts) == 10


def test_earlier_attempts_are_dropped_when_one_has_its_image(parts: Parts) -> None:
    job = ended(parts, None, None)
    assert job.status == "succeeded"
    assert parts.comfyui.dropped == [attempt_id(job.id, 1), attempt_id(job.id, 2)]


def test_an_only_attempt_that_succeeds_is_not_dropped(parts: Parts) -> None:
    assert ended(parts).status == "succeeded"
    assert parts.comfyui.dropped == []


def test_a_failed_job_leaves_nothing_on_the_gpu_and_no_image(parts: Parts) -> None:
    ended(parts)
    kept = dict(parts.images.stored)
    parts.comfyui.lost_files = {"gone.png"}
    half = {"9": [*SAVED["9"], ImageFile("gone.png", "darkroom", "output")]}
    job = ended(parts, Finished(half), NODE_FAILED)
    assert parts.images.puts == 2
    assert (job.status, job.error["code"]) == ("failed", "node_failed")
    assert {*parts.comfyui.dropped} == {attempt_id(job.id, 1), attempt_id(job.id, 2)}
    assert (parts.images.stored, slot_holders()) == (kept, set())


def test_only_an_execution_that_made_an_image_counts_for_the_average_time(parts: Parts) -> None:
    ended(parts, NODE_FAILED)
    assert InstanceRecord.read("i-1").execution_seconds is None
    ended(parts, Finished(SAVED, None, 8.0))
    assert InstanceRecord.read("i-1").execution_seconds == 8

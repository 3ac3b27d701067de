"""A job that waits in ComfyUI's queue behind an execution that makes no progress."""

from typing import Any

import pytest

from chalicelib.gateways.comfyui.state import State
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.signals import NoProgress
from tests.services.fakes import FakeComfyUI, Parts
from tests.services.workers import Workers, accept_jobs

DEAD = attempt_id("01DEAD", 1)


class HeldUpComfyUI(FakeComfyUI):
    """Is stuck at another attempt for `stuck_calls` calls of `follow`, then makes every image."""

    stuck_calls = 0

    def follow(self, attempt_id: str, events: None, *, until: float, report: Any) -> State:
        if self.stuck_calls:
            self.stuck_calls -= 1
            raise NoProgress("no progress for 300 seconds", attempt_id=DEAD)
        return super().follow(attempt_id, events, until=until, report=report)

    def is_unhealthy(self, attempt_id: str) -> bool:
        return False  # it is restarted before the next attempt


@pytest.fixture
def comfyui() -> HeldUpComfyUI:
    return HeldUpComfyUI()


@pytest.fixture
def parts(aws: None, comfyui: HeldUpComfyUI) -> Parts:
    return Parts(comfyui)


def test_an_execution_without_progress_is_dropped_and_the_job_behind_it_waits(
    parts: Parts, comfyui: HeldUpComfyUI
) -> None:
    comfyui.stuck_calls = 1
    [job_id] = accept_jobs(parts)
    job = parts.work(job_id)
    assert (comfyui.dropped, job.is_open, job.end_reason) == ([DEAD], True, None)
    assert InstanceRecord.read("i-1").unhealthy_attempt is None
    assert parts.work(job_id).status == "succeeded"
    assert comfyui.submitted == [attempt_id(job_id, 1)]


def test_an_execution_that_cannot_be_dropped_marks_the_instance_unhealthy(
    parts: Parts, comfyui: HeldUpComfyUI
) -> None:
    comfyui.stuck_calls, comfyui.is_stuck = 1, True
    [job_id] = accept_jobs(parts)
    job = parts.work(job_id)
    assert InstanceRecord.read("i-1").unhealthy_attempt == DEAD
    assert (job.is_open, job.end_reason) == (True, "held_up")


def test_attempts_that_another_execution_held_up_do_not_count(
    parts: Parts, comfyui: HeldUpComfyUI
) -> None:
    comfyui.stuck_calls, comfyui.is_stuck = 6, True
    [job_id] = accept_jobs(parts)
    workers = Workers(parts)
    while Job.find(job_id).is_open:
        assert workers.work()
    job = Job.find(job_id)
    assert (job.status, len(job.attempts)) == ("succeeded", 7)
    assert {each.reason for each in job.attempts[1:]} == {"held_up"}

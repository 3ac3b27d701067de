"""Each execution is booked once, however its attempt and its job end."""

from typing import Any

import pytest

from chalicelib.config import config
from chalicelib.gateways.comfyui.errors import Failure
from chalicelib.gateways.comfyui.state import Finished, State, Waiting
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from chalicelib.services.billing.prices import cost_of
from chalicelib.signals import NoProgress
from tests.services.fakes import Parts
from tests.services.workers import SlowComfyUI, accept_jobs, acquire_slot, slot_holders

EXECUTION_SECONDS = config.execution_deadline_seconds


class ReportingComfyUI(SlowComfyUI):
    """Reports how long an execution took that was dropped, unless it is `silent`."""

    ran_seconds = 7.0
    is_silent = hangs = False

    def drop(self, attempt_id: str) -> bool:
        was_running = isinstance(self.known.get(attempt_id), Waiting)
        is_dropped = super().drop(attempt_id)
        if was_running and not self.is_silent:
            stopped = Failure("interrupted", "the execution was interrupted in ComfyUI")
            self.known[attempt_id] = Finished({}, stopped, self.ran_seconds)
        return is_dropped

    def follow(self, attempt_id: str, events: None, *, until: float, report: Any) -> State:
        if self.hangs:
            raise NoProgress("no progress for 300 seconds", attempt_id=attempt_id)
        return super().follow(attempt_id, events, until=until, report=report)


@pytest.fixture
def gpu() -> ReportingComfyUI:
    return ReportingComfyUI()


@pytest.fixture
def parts(aws: None, gpu: ReportingComfyUI) -> Parts:
    return Parts(gpu)


@pytest.fixture
def job_id(parts: Parts) -> str:
    """A job whose execution runs."""
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    return job_id


def check_booked(job_id: str, *seconds: float) -> None:
    """Check that a job and its instance have the seconds of all executions."""
    job, total = Job.find(job_id), sum(seconds)
    assert [each.execution_seconds for each in job.attempts] == [*seconds]
    assert job.gpu_seconds == total
    assert job.gpu_cost == pytest.approx(cost_of("g5.xlarge", total))
    assert (InstanceRecord.read("i-1").execution_total_seconds or 0) == total


def test_the_execution_of_a_canceled_job_is_booked_once(parts: Parts, job_id: str) -> None:
    for _ in range(2):
        parts.cancellation.cancel(job_id)
        parts.work(job_id)
        check_booked(job_id, 7.0)


def test_an_execution_that_ended_as_its_job_was_canceled_is_booked(
    parts: Parts, gpu: ReportingComfyUI, job_id: str
) -> None:
    gpu.end(job_id)
    parts.cancellation.cancel(job_id)
    parts.work(job_id)
    check_booked(job_id, 2.0)


def test_a_job_that_is_canceled_in_comfyuis_queue_costs_nothing(
    parts: Parts, gpu: ReportingComfyUI
) -> None:
    acquire_slot("another")
    gpu.is_silent = True  # ComfyUI's history has only what was executed
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.cancellation.cancel(job_id)
    job = parts.work(job_id)
    assert (job.gpu_seconds, job.gpu_cost, slot_holders()) == (0, 0, {"another"})


def test_an_execution_that_is_dropped_at_its_deadline_is_booked(
    parts: Parts, gpu: ReportingComfyUI, job_id: str
) -> None:
    gpu.ran_seconds = 900.5
    parts.clock.advance(EXECUTION_SECONDS)
    assert parts.work(job_id).error["code"] == "deadline_exceeded"
    check_booked(job_id, 900.5)


def test_an_execution_without_progress_is_booked_as_comfyui_reports_it(
    parts: Parts, gpu: ReportingComfyUI, job_id: str
) -> None:
    gpu.hangs = True
    parts.clock.advance(300)
    assert parts.work(job_id).end_reason == "no_progress"
    gpu.hangs = False
    parts.clock.advance(2)
    parts.work(job_id)
    gpu.end(job_id, 2)
    assert parts.work(job_id).status == "succeeded"
    check_booked(job_id, 7.0, 2.0)


def test_an_execution_without_progress_that_comfyui_does_not_report_is_booked_until_it_is_stopped(
    parts: Parts, gpu: ReportingComfyUI, job_id: str
) -> None:
    gpu.hangs = gpu.is_silent = True
    parts.clock.advance(300)
    assert parts.work(job_id).end_reason == "no_progress"
    assert Job.find(job_id).gpu_seconds == 300


def test_a_lost_execution_is_booked_until_its_last_sign_of_life(
    parts: Parts, gpu: ReportingComfyUI, job_id: str
) -> None:
    parts.clock.advance(20)
    job = Job.find(job_id)
    job.claim("a driver", now=parts.clock(), until=parts.clock() + 30)
    job.report(None, queue_position=0, now=parts.clock(), until=parts.clock() + 30)
    gpu.known.clear()  # ComfyUI was restarted
    parts.clock.advance(31)
    parts.work(job_id)
    gpu.end(job_id, 2)
    assert parts.work(job_id).status == "succeeded"
    check_booked(job_id, 20.0, 2.0)


def test_an_attempt_that_was_lost_before_it_ran_costs_nothing(
    parts: Parts, gpu: ReportingComfyUI
) -> None:
    acquire_slot("another")
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    gpu.known.clear()
    parts.clock.advance(31)
    job = parts.work(job_id)
    assert [each.reason for each in job.attempts] == ["first", "never_ran"]
    assert (job.gpu_seconds, job.attempts[0].execution_seconds) == (0, None)

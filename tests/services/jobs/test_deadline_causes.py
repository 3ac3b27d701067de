"""The error of a job at its deadline says what the job waited for."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from chalicelib.errors import ComfyUIUnreachable
from chalicelib.gateways.comfyui.state import State
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs.job import Job
from tests.services.fakes import Parts
from tests.services.workers import accept_jobs, request_expiring_in

HOUR_SECONDS = 3600


def no_gpu(parts: Parts) -> None:
    parts.ec2.turn_off()


def no_answer(parts: Parts) -> None:
    def time_out() -> None:
        raise ComfyUIUnreachable("ComfyUI did not answer")

    def find(attempt_id: str, seconds: float = 5) -> State:
        raise ComfyUIUnreachable("ComfyUI did not answer")

    parts.comfyui.on_submit, parts.comfyui.find = time_out, find  # type: ignore[method-assign]


def no_store(parts: Parts) -> None:
    parts.images.failures = 10**6


def an_internal_error(parts: Parts) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    def find(attempt_id: str, seconds: float = 5) -> State:
        raise ZeroDivisionError

    parts.comfyui.on_submit, parts.comfyui.find = fail, find  # type: ignore[method-assign]


CAUSES = {
    "the GPU instance is starting": ("expired", no_gpu),
    "did not answer": ("comfyui_unreachable", no_answer),
    "could not be stored": ("store_failed", no_store),
    "an internal error": ("internal_error", an_internal_error),
}


@pytest.mark.parametrize(("reason", "how"), CAUSES.items(), ids=CAUSES)
def test_a_failure_at_the_deadline_says_what_the_job_waited_for(
    aws: None, reason: str, how: tuple[str, Callable[[Parts], None]]
) -> None:
    parts, (code, cause) = Parts(), how
    cause(parts)
    [job_id] = accept_jobs(parts, request=request_expiring_in(HOUR_SECONDS))
    end = parts.clock() + HOUR_SECONDS
    while parts.clock() < end:
        with suppress(ZeroDivisionError):
            parts.work(job_id)
        parts.clock.advance(300)
        parts.queue_snapshots.refresh()
    parts.clock.advance(12)
    parts.overdue_jobs.sweep()
    job = Job.find(job_id)
    assert (job.status, job.error["code"]) == ("failed", code)
    assert reason in job.error["message"]


def test_a_queued_job_that_expires_says_why_no_gpu_started(aws: None) -> None:
    parts = Parts()
    [job_id] = accept_jobs(parts, request=request_expiring_in(HOUR_SECONDS))
    series = StartSeries.read(now=parts.clock())
    assert series.claim(now=parts.clock(), until=parts.clock() + 30)
    series.put_off(
        "waiting for GPU capacity: EC2 has none", until=parts.clock() + HOUR_SECONDS + 60
    )
    parts.clock.advance(HOUR_SECONDS + 11)
    parts.overdue_jobs.sweep()
    job = Job.find(job_id)
    assert (job.status, job.error["code"]) == ("failed", "expired")
    assert "EC2 has none" in job.error["message"]

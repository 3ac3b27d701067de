"""A driver whose lease has ended submits nothing, as another driver may have the job."""

from typing import Any

import pytest

from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from tests.services.fakes import Parts
from tests.services.interfering import once, watch
from tests.services.workers import HungComfyUI, Workers, accept_jobs, slot_holders


@pytest.fixture
def gpu() -> HungComfyUI:
    return HungComfyUI()


@pytest.fixture
def parts(aws: None, gpu: HungComfyUI) -> Parts:
    return Parts(gpu)


def test_a_driver_that_pauses_past_its_lease_writes_no_attempt(
    parts: Parts, gpu: HungComfyUI
) -> None:
    [job_id] = accept_jobs(parts)
    pause = once(lambda: parts.clock.advance(100))
    watch(parts.dispatcher, "take", step=lambda: pause() if slot_holders() else None)
    job = parts.work(job_id)
    assert (job.attempts, gpu.submitted, job.is_open) == ([], [], True)
    assert parts.work(job_id).status == "running"


@pytest.mark.parametrize(("seconds", "submitted"), [(22, 1), (24, 0), (100, 0)])
def test_a_driver_submits_only_if_its_lease_lasts_for_the_submission(
    parts: Parts, gpu: HungComfyUI, seconds: int, submitted: int
) -> None:
    """The lease is 30 s, and a submission may take 7."""
    events = gpu.events

    def pause(attempt_id: str) -> Any:
        gpu.events = events  # type: ignore[method-assign]
        parts.clock.advance(seconds)
        return events(attempt_id)

    gpu.events = pause  # type: ignore[method-assign]
    [job_id] = accept_jobs(parts)
    job = parts.work(job_id)
    assert ([each.id for each in job.attempts], len(gpu.submitted)) == (
        [attempt_id(job_id, 1)],
        submitted,
    )
    workers = Workers(parts)
    while len(gpu.submitted) == 0:
        assert workers.work()
    assert Job.find(job_id).status == "running"

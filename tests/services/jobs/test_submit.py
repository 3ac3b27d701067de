"""Submission: what is stored and sent before a job is driven, and what remains after an error."""

from functools import partial
from typing import Any

import pytest

from chalicelib.config import config
from chalicelib.errors import ComfyUIUnavailable, JobFinished, TooManyRequests
from chalicelib.gateways.comfyui.state import Waiting
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import newest
from chalicelib.models.jobs.parameters import JobParameters
from chalicelib.services.together import in_threads
from tests.gateways.region import ComfyUI, Region
from tests.models.allowances import allowance_of
from tests.services.fakes import Parts
from tests.services.workers import acquire_slot

SLOTS = config.slots_per_gpu


def test_a_message_is_sent_before_the_submission_in_case_the_process_dies(parts: Parts) -> None:
    """Who looks at the instance after the lease has ended goes on with the job."""
    sent_before: list[int] = []
    parts.comfyui.on_submit = lambda: sent_before.append(len(parts.queue.sent))
    [job] = parts.submit(wait_seconds=25)
    assert sent_before == [1]
    assert parts.queue.sent == [("i-1 check", 25 + 16)]
    assert job.status == "succeeded"


def test_a_job_that_outlasts_its_callers_wait_is_handed_to_a_follower(parts: Parts) -> None:
    parts.comfyui.ends = [Waiting(0)]
    [job] = parts.submit(wait_seconds=25)
    assert (job.status, job.lease) == ("running", None)
    assert parts.queue.take()[1:] == [("i-1", 0)]
    assert parts.work(job.id).status == "succeeded"
    assert parts.comfyui.submitted == [attempt_id(job.id, 1)]


def test_an_asynchronous_job_waits_in_the_queue_and_a_follower_is_called(parts: Parts) -> None:
    [job] = parts.submit(wait_seconds=0)
    assert parts.queue.sent == [("i-1", 0)]
    assert parts.comfyui.submitted == []
    found = Job.find(job.id)
    assert (found.status, found.is_queued, found.due_at) == ("queued", True, found.deadline_at)


def test_the_jobs_of_a_batch_call_one_follower(parts: Parts) -> None:
    parts.submit(wait_seconds=0, count=8)
    parts.submit(wait_seconds=0)
    assert parts.queue.sent == [("i-1", 0)]


def test_a_request_is_not_accepted_without_a_gpu_instance(parts: Parts) -> None:
    parts.ec2.comfyuis.clear()
    with pytest.raises(ComfyUIUnavailable):
        parts.submit()
    assert ([*newest(10)], parts.queue.sent) == ([], [])


@pytest.mark.parametrize("wait_seconds", [0, 25])
def test_a_request_is_accepted_while_ec2_does_not_answer(parts: Parts, wait_seconds: int) -> None:
    region: Any = Region("stopped")
    region.connect = partial(ComfyUI, region)
    region.is_down, region.now = True, parts.clock()
    parts = Parts(clock=parts.clock, ec2=region)
    [job] = parts.submit(wait_seconds=wait_seconds)
    assert Job.find(job.id).is_open
    region.is_down = False
    parts.clock.advance(60)
    parts.demand.start()
    assert region.started == ["i-0"]


def test_a_job_that_finds_no_gpu_is_queued_and_its_caller_does_not_wait(parts: Parts) -> None:
    parts.ec2.turn_off()
    [job] = parts.submit(wait_seconds=25)
    assert (job.is_queued, job.waits_for) == (True, "gpu_not_ready")
    assert parts.clock() == job.created_at
    assert parts.queue.sent == [("start", 0)]


def test_a_job_that_finds_no_free_slot_waits_in_the_queue_while_its_caller_waits(
    parts: Parts,
) -> None:
    for number in range(SLOTS):
        acquire_slot(f"other {number}")
    [job] = parts.submit(wait_seconds=25)
    assert (job.is_queued, job.status_reason) == (True, "waiting for a free slot")
    assert parts.clock() - job.created_at == 25
    assert parts.queue.sent == [("i-1", 0)]


@pytest.mark.parametrize(("waiting", "is_queued"), [(0, False), (SLOTS - 1, False), (SLOTS, True)])
def test_a_job_whose_caller_waits_takes_no_slot_that_a_job_in_the_queue_needs(
    parts: Parts, waiting: int, *, is_queued: bool
) -> None:
    for _ in range(waiting):
        parts.submit(wait_seconds=0, owner="another")
    [job] = parts.submit(wait_seconds=5)
    assert job.is_queued is is_queued
    assert len(parts.comfyui.submitted) == (0 if is_queued else 1)


def test_a_job_is_accepted_when_sqs_is_down(parts: Parts) -> None:
    parts.queue.is_broken = True
    [job] = parts.submit(wait_seconds=0)
    assert Job.find(job.id).is_queued
    parts.queue.is_broken = False
    parts.clock.advance(60)
    parts.demand.repair()
    assert parts.queue.take() == [("i-1", 0)]


def test_a_job_is_retried_by_a_follower_after_an_unexpected_error(
    parts: Parts,
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    parts.comfyui.on_submit = fail
    [job] = parts.submit()
    assert (job.is_open, job.waits_for) == (True, "internal_error")
    assert parts.queue.take() == [("i-1 check", 41), ("i-1", 5)]
    parts.clock.advance(5)
    assert parts.work(job.id).status == "succeeded"
    assert parts.comfyui.submitted == [attempt_id(job.id, 1)]


def test_a_repeated_idempotency_key_returns_the_same_job(parts: Parts) -> None:
    [first] = parts.submit(wait_seconds=0, key="k")
    [again] = parts.submit(wait_seconds=5, key="k")
    assert (again.id, again.status) == (first.id, "queued")
    parts.work(first.id)
    [once_more] = parts.submit(wait_seconds=0, key="k")
    assert once_more.id == first.id
    assert once_more.status == "succeeded"
    assert len([*newest(10)]) == 1


def test_a_repeated_request_waits_for_the_driver_of_its_job(parts: Parts) -> None:
    [job] = parts.submit(wait_seconds=0, key="k")
    other = Job(job.id)
    assert other.claim_from_queue("a driver", now=parts.clock(), until=parts.clock() + 60)

    def pass_time(seconds: float) -> None:
        parts.clock.advance(seconds)
        if parts.clock() > job.created_at + 5 and other.is_open:
            other.succeed([], now=parts.clock())

    parts.inline_driver._pause = pass_time
    [again] = parts.submit(wait_seconds=25, key="k")
    assert (again.status, parts.clock() - job.created_at) == ("succeeded", 5.5)


def test_a_repeated_request_waits_no_longer_than_it_asks(parts: Parts) -> None:
    [job] = parts.submit(wait_seconds=0, key="k")
    Job(job.id).claim_from_queue("a driver", now=parts.clock(), until=parts.clock() + 60)
    [again] = parts.submit(wait_seconds=10, key="k")
    assert (again.is_open, parts.clock() - job.created_at) == (True, 10)


def test_all_jobs_of_a_batch_have_different_seeds(parts: Parts) -> None:
    jobs = parts.submit(count=8, post_id="p", wait_seconds=0)
    assert len({job.parameters["seed"] for job in jobs}) == 8
    for job in jobs:
        parts.work(job.id)
    assert {Job.find(job.id).status for job in jobs} == {"succeeded"}


def test_driving_a_finished_job_raises_job_finished(parts: Parts) -> None:
    [job] = parts.submit()
    with pytest.raises(JobFinished):
        parts.driver.advance(Job.find(job.id), until=parts.clock() + 10)


def test_a_key_whose_allowance_is_used_up_stores_nothing_with_each_request(parts: Parts) -> None:
    """The first refused request of a process may have stored its parameters."""
    parts._together = in_threads
    allowance = allowance_of("a", 1)
    parts.submit(wait_seconds=0, allowance=allowance)
    stored = []
    for _ in range(3):
        with pytest.raises(TooManyRequests):
            parts.submit(wait_seconds=0, allowance=allowance)
        stored.append(len([*JobParameters.scan(JobParameters.id.startswith("parameters:"))]))
    assert stored[0] == stored[1] == stored[2]
    parts.clock.advance(24 * 60 * 60)
    assert parts.submit(wait_seconds=0, allowance=allowance)

"""Submission: what is stored and sent before a job is driven, and what remains after an error."""

import pytest

from chalicelib.errors import ComfyUIUnavailable, GpuNotReady, JobFinished
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import newest
from tests.gateways.region import Region, fleet_of
from tests.services.fakes import Parts


def test_the_message_is_sent_before_any_work_and_delivered_after_the_wait(parts: Parts) -> None:
    sent_before: list[int] = []
    parts.comfyui.on_submit = lambda: sent_before.append(len(parts.queue.sent))
    [job] = parts.submit(wait_seconds=25)
    assert sent_before == [1]
    assert parts.queue.sent == [(job.id, 25 + 16)]


def test_an_asynchronous_job_is_only_stored_and_its_message_sent(parts: Parts) -> None:
    [job] = parts.submit(wait_seconds=0)
    assert parts.queue.sent == [(job.id, 0)]
    assert parts.comfyui.submitted == []
    assert Job.find(job.id).status == "queued"


def test_a_request_is_not_accepted_without_a_gpu_instance(parts: Parts) -> None:
    def refuse() -> None:
        raise ComfyUIUnavailable("there is no GPU instance")

    parts.fleet.check = refuse
    with pytest.raises(ComfyUIUnavailable):
        parts.submit()
    assert ([*newest(10)], parts.queue.sent) == ([], [])


@pytest.mark.parametrize("wait_seconds", [0, 25])
def test_a_request_is_accepted_while_ec2_does_not_answer(parts: Parts, wait_seconds: int) -> None:
    region = Region("stopped")
    region.is_down, region.now = True, parts.clock()
    parts = Parts(clock=parts.clock, fleet=fleet_of(region, clock=parts.clock))
    [job] = parts.submit(wait_seconds=wait_seconds)
    assert Job.find(job.id).is_open
    region.is_down = False
    parts.clock.advance(60)
    parts.work(job.id)
    assert region.started == ["i-0"]


def test_a_job_that_waits_for_a_gpu_to_start_is_retried_by_messages(parts: Parts) -> None:
    parts.fleet.refusal = GpuNotReady("the GPU instance is starting", retry_seconds=2)
    [job] = parts.submit(wait_seconds=25)
    assert parts.queue.sent == [(job.id, 41), (job.id, 2)]
    parts.clock.advance(2)
    parts.worker.work(job.id, remaining_seconds=90)
    assert parts.queue.sent[2:] == [(job.id, 2)]


def test_a_worker_finishes_a_job_that_the_api_function_did_not(parts: Parts) -> None:
    parts.fleet.refusal = GpuNotReady("the GPU instance is starting", retry_seconds=2)
    [job] = parts.submit()
    parts.fleet.refusal = None
    parts.clock.advance(2)
    parts.worker.work(job.id, remaining_seconds=90)
    assert Job.find(job.id).status == "succeeded"


def test_a_message_for_a_finished_job_does_nothing(parts: Parts) -> None:
    [job] = parts.submit()
    sent = list(parts.queue.sent)
    parts.worker.work(job.id, remaining_seconds=90)
    parts.worker.work(job.id, remaining_seconds=90)
    assert parts.comfyui.submitted == [attempt_id(job.id, 1)]
    assert parts.queue.sent == sent


def test_a_message_that_comes_before_the_job_is_due_sends_no_other_message(parts: Parts) -> None:
    parts.fleet.refusal = GpuNotReady("no capacity", retry_seconds=30)
    [job] = parts.submit()
    sent = list(parts.queue.sent)
    parts.worker.work(job.id, remaining_seconds=90)
    assert parts.queue.sent == sent


def test_a_job_is_accepted_when_sqs_is_down(parts: Parts) -> None:
    parts.queue.is_broken = True
    [job] = parts.submit(wait_seconds=0)
    assert Job.find(job.id).is_open


def test_a_job_is_retried_within_the_wait_after_an_unexpected_error(
    parts: Parts,
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    parts.comfyui.on_submit = fail
    [job] = parts.submit()
    assert parts.queue.take() == [(job.id, 41), (job.id, 5)]
    assert (job.status, parts.clock() - job.created_at) == ("succeeded", 5)
    assert parts.comfyui.submitted == [attempt_id(job.id, 1)]


def test_a_repeated_idempotency_key_returns_the_same_job(parts: Parts) -> None:
    [first] = parts.submit(wait_seconds=0, key="k")
    [again] = parts.submit(wait_seconds=25, key="k")
    [once_more] = parts.submit(wait_seconds=0, key="k")
    assert first.id == again.id == once_more.id
    assert once_more.status == "succeeded"
    assert len([*newest(10)]) == 1


def test_a_repeated_request_waits_for_the_driver_of_its_job(parts: Parts) -> None:
    [job] = parts.submit(wait_seconds=0, key="k")
    other = Job.find(job.id)
    other.claim("another driver", now=parts.clock(), until=parts.clock() + 60)

    def pass_time(seconds: float) -> None:
        parts.clock.advance(seconds)
        if parts.clock() > job.created_at + 5 and other.is_open:
            other.succeed([], now=parts.clock())

    parts.inline_driver._pause = pass_time
    [again] = parts.submit(wait_seconds=25, key="k")
    assert (again.status, parts.clock() - job.created_at) == ("succeeded", 5.5)


def test_a_repeated_request_waits_no_longer_than_it_asks(parts: Parts) -> None:
    [job] = parts.submit(wait_seconds=0, key="k")
    Job.find(job.id).claim("another driver", now=parts.clock(), until=parts.clock() + 60)
    [again] = parts.submit(wait_seconds=10, key="k")
    assert (again.is_open, parts.clock() - job.created_at) == (True, 10)


def test_all_jobs_of_a_batch_have_different_seeds(parts: Parts) -> None:
    jobs = parts.submit(count=8, post_id="p")
    assert len({job.parameters["seed"] for job in jobs}) == 8
    for job in jobs:
        if job.is_open:  # all jobs share one clock: the wait may be over for the last ones
            parts.clock.advance(60)  # until their leases end
            parts.work(job.id)
    assert {Job.find(job.id).status for job in jobs} == {"succeeded"}


def test_driving_a_finished_job_raises_job_finished(parts: Parts) -> None:
    [job] = parts.submit()
    with pytest.raises(JobFinished):
        parts.driver.advance(Job.find(job.id), until=parts.clock() + 10)

"""Overdue jobs: those that waited too long end in one write each, the others are resumed."""

import pytest

from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.job import Job
from tests.models.failing_dynamodb import refused
from tests.services.fakes import Parts
from tests.services.workers import (
    SlowComfyUI,
    accept_jobs,
    request_expiring_in,
    slot_holders,
)
from tests.virtual.clock import VirtualClock
from tests.virtual.dynamodb import VirtualDynamoDB, error

LATE_SECONDS = 11
LEASE_SECONDS = 30


@pytest.fixture
def parts(aws: None) -> Parts:
    return Parts(SlowComfyUI())


def expire(parts: Parts, count: int = 1) -> list[str]:
    """Accept jobs and let the time pass for which they wait."""
    ids = accept_jobs(parts, count, request=request_expiring_in(60))
    parts.clock.advance(60 + LATE_SECONDS)
    return ids


def test_jobs_that_waited_too_long_end_and_leave_the_queue(parts: Parts) -> None:
    ids = expire(parts, 5)
    [other] = accept_jobs(parts)
    parts.overdue_jobs.sweep()
    for job_id in ids:
        job = Job.find(job_id)
        assert (job.status, job.error["code"], job.lease) == ("failed", "expired", None)
        assert job.finished_at == parts.clock()
    assert [each.id for each in queue.first(9)] == [other]
    assert queue.counted() == 1
    assert parts.comfyui.submitted == []


def test_each_job_that_waited_too_long_takes_one_write(aws: None) -> None:
    clock = VirtualClock()
    parts = Parts(SlowComfyUI(), clock=clock)
    expire(parts, 8)
    with VirtualDynamoDB(clock, call_seconds=0.005) as dynamodb:
        parts.overdue_jobs.sweep()
    shards = 4
    assert 8 < dynamodb.calls["UpdateItem"] <= 8 + 4 * shards  # each thread counts its own
    assert dynamodb.calls["PutItem"] == dynamodb.calls["TransactWriteItems"] == 0
    assert dynamodb.calls["GetItem"] == 0


def test_a_job_that_waits_for_less_than_its_time_is_left_alone(parts: Parts) -> None:
    [job_id] = accept_jobs(parts, request=request_expiring_in(60))
    before = Job.find(job_id).serialize()
    parts.clock.advance(60)
    parts.overdue_jobs.sweep()
    assert Job.find(job_id).serialize() == before


def test_a_job_that_a_driver_has_just_claimed_is_left_to_it(parts: Parts) -> None:
    [job_id] = expire(parts)
    now = parts.clock()
    assert Job(job_id).claim_from_queue("a driver", now=now, until=now + LEASE_SECONDS)
    parts.overdue_jobs.sweep()
    job = Job.find(job_id)
    assert (job.is_open, job.lease) == (True, "a driver")
    assert not job.expire({"code": "expired"}, now=now)


def test_a_job_whose_driver_died_as_it_claimed_it_from_the_queue_expires(parts: Parts) -> None:
    [job_id] = expire(parts)
    now = parts.clock()
    assert Job(job_id).claim_from_queue("a driver", now=now, until=now + LEASE_SECONDS)
    parts.clock.advance(LEASE_SECONDS + LATE_SECONDS)
    parts.overdue_jobs.sweep()
    assert Job.find(job_id).error["code"] == "expired"


def test_a_job_that_is_driven_is_left_alone(parts: Parts) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    now = parts.clock()
    Job.find(job_id).claim("a driver", now=now, until=now + LEASE_SECONDS)
    before = Job.find(job_id).serialize()
    parts.clock.advance(LEASE_SECONDS)
    parts.queue.take()
    parts.overdue_jobs.sweep()
    assert Job.find(job_id).serialize() == before
    assert parts.queue.take() == []


def test_the_instance_of_a_stalled_job_gets_a_message(parts: Parts) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.clock.advance(LATE_SECONDS)
    parts.queue.take()
    parts.overdue_jobs.sweep()
    assert parts.queue.take() == [("i-1", 0)]
    assert (Job.find(job_id).lease, slot_holders()) == (None, {job_id})


def test_a_stalled_job_that_never_got_a_slot_enters_the_queue(parts: Parts) -> None:
    """Its process died between accepting it and driving it."""
    parts.ec2.turn_off()
    now = parts.clock()
    Job.new("01J", now=now, lease="a dead driver", due_at=now + 40, parameters={}).save()
    parts.clock.advance(40 + LATE_SECONDS)
    parts.overdue_jobs.sweep()
    job = Job.find("01J")
    assert (job.is_queued, job.lease, job.waits_for) == (True, None, "gpu_not_ready")
    assert parts.queue.take() == [("start", 0)]


def test_a_job_that_expires_says_why_no_gpu_started(parts: Parts) -> None:
    series = StartSeries.read(now=parts.clock())
    assert series.claim(now=parts.clock(), until=parts.clock() + 30)
    series.put_off("EC2 has no capacity", until=parts.clock() + 600)
    [job_id] = expire(parts)
    parts.overdue_jobs.sweep()
    assert "EC2 has no capacity" in Job.find(job_id).error["message"]


def test_a_job_that_cannot_be_ended_does_not_keep_others_from_ending(parts: Parts) -> None:
    ids = expire(parts, 3)
    with refused("status_shard", error("AccessDeniedException", "UpdateItem")):
        parts.overdue_jobs.sweep()
    parts.overdue_jobs.sweep()
    assert {Job.find(job_id).status for job_id in ids} == {"failed"}


def test_a_sweep_without_overdue_jobs_writes_nothing(aws: None) -> None:
    clock = VirtualClock()
    parts = Parts(SlowComfyUI(), clock=clock)
    accept_jobs(parts, 3)
    with VirtualDynamoDB(clock, call_seconds=0.005) as dynamodb:
        parts.overdue_jobs.sweep()
    assert dynamodb.calls == {"Query": 4}

"""Which job gets a slot, which waits in the queue, and when a queued job is made due."""

import pytest

from chalicelib.config import config
from chalicelib.errors import GpuNotReady
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from tests.services.fakes import FakeFleet, Parts
from tests.services.workers import (
    SlowComfyUI,
    accept_jobs,
    slot_holders,
    work_all,
)

SLOTS = config.slots_per_gpu
STARTING = GpuNotReady("the GPU instance is starting", retry_seconds=2)


@pytest.fixture
def gpu() -> SlowComfyUI:
    return SlowComfyUI()


@pytest.fixture
def parts(aws: None, gpu: SlowComfyUI) -> Parts:
    return Parts(gpu)


def fleet_of(parts: Parts) -> FakeFleet:
    fleet: FakeFleet = parts.fleet
    return fleet


def test_a_job_takes_a_free_slot_and_keeps_it_to_its_end(parts: Parts, gpu: SlowComfyUI) -> None:
    [job_id] = accept_jobs(parts)
    for _ in range(3):
        assert parts.work(job_id).status == "running"
        assert slot_holders() == {job_id}
    gpu.end(job_id)
    assert parts.work(job_id).status == "succeeded"
    assert slot_holders() == set()
    assert gpu.submitted == [attempt_id(job_id, 1)]


def test_a_job_without_a_slot_waits_in_the_queue_without_a_message(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    ids = accept_jobs(parts, SLOTS + 2)
    assert work_all(parts, ids[:SLOTS]) == ["running"] * SLOTS
    parts.queue.take()
    assert work_all(parts, ids[SLOTS:]) == ["queued"] * 2
    assert parts.queue.take() == []
    assert gpu.submitted == [attempt_id(each, 1) for each in ids[:SLOTS]]
    for job_id in ids[SLOTS:]:
        job = Job.find(job_id)
        assert (job.lease, bool(job.queue), job.status_reason) == (
            None,
            True,
            "waiting for a free slot",
        )
        assert job.due_at >= parts.clock() + 60


def test_each_job_that_is_queued_asks_once_whether_more_gpus_are_needed(parts: Parts) -> None:
    ids = accept_jobs(parts, SLOTS + 2)
    work_all(parts, ids)
    fleet = fleet_of(parts)
    assert (fleet.scaled_up, fleet.scaled) == (2, [])


def test_synchronous_and_asynchronous_jobs_wait_in_the_same_queue(parts: Parts) -> None:
    ids = accept_jobs(parts, SLOTS)
    work_all(parts, ids)
    [waiting] = parts.submit(wait_seconds=5)
    assert (waiting.status, bool(waiting.queue)) == ("queued", True)
    [behind] = accept_jobs(parts)
    assert Job.find(behind).sort_key > waiting.sort_key


def test_a_job_that_ends_makes_the_next_queued_job_due(parts: Parts, gpu: SlowComfyUI) -> None:
    ids = accept_jobs(parts, SLOTS + 2)
    work_all(parts, ids)
    parts.queue.take()
    gpu.end(ids[0])
    parts.clock.advance(1)
    parts.work(ids[0])
    following, last = Job.find(ids[SLOTS]), Job.find(ids[SLOTS + 1])
    assert parts.queue.take() == [(following.id, 0)]
    assert following.due_at == parts.clock()
    assert last.due_at > parts.clock() + 60
    assert parts.work(following.id).status == "running"
    assert slot_holders() == {*ids[1 : SLOTS + 1]}


def test_a_queued_job_that_is_already_driven_is_not_made_due(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    ids = accept_jobs(parts, SLOTS + 2)
    work_all(parts, ids)
    Job.find(ids[SLOTS]).make_due(now=parts.clock())
    Job.find(ids[SLOTS]).claim("a driver", now=parts.clock(), until=parts.clock() + 60)
    parts.queue.take()
    gpu.end(ids[0])
    parts.work(ids[0])
    assert parts.queue.take() == []


def test_the_next_job_is_due_even_if_its_message_is_not_sent(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    ids = accept_jobs(parts, SLOTS + 1)
    work_all(parts, ids)
    gpu.end(ids[0])
    parts.queue.is_broken = True
    assert parts.work(ids[0]).status == "succeeded"
    assert Job.find(ids[SLOTS]).due_at == parts.clock()  # so the reconciler finds it


def test_the_head_of_the_queue_gets_a_slot_first_whichever_job_is_driven_first(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    ids = accept_jobs(parts, SLOTS + 2)
    assert work_all(parts, ids[SLOTS:]) == ["queued"] * 2  # though all slots are free
    assert work_all(parts, ids[:SLOTS]) == ["running"] * SLOTS
    gpu.end(ids[1])
    parts.work(ids[1])
    last = Job.find(ids[SLOTS + 1])
    last.make_due(now=parts.clock())
    assert parts.work(last.id).status == "queued"
    assert parts.work(ids[SLOTS]).status == "running"


def test_a_job_that_is_driven_too_early_makes_the_jobs_before_it_due(parts: Parts) -> None:
    ids = accept_jobs(parts, SLOTS + 1)
    for job_id in ids[:SLOTS]:
        job = Job.find(job_id)
        job.claim("a driver", now=parts.clock(), until=parts.clock() + 60)
        job.put_back("queued", None, due_at=parts.clock() + 300)
    parts.queue.take()
    parts.work(ids[SLOTS])
    assert parts.queue.take() == [(job_id, 0) for job_id in ids[:SLOTS]]


def test_a_gpu_that_starts_is_polled_by_as_many_jobs_as_it_has_slots(parts: Parts) -> None:
    fleet_of(parts).refusal = STARTING
    ids = accept_jobs(parts, SLOTS + 4)
    parts.queue.take()
    assert work_all(parts, ids) == ["starting"] * SLOTS + ["queued"] * 4
    assert parts.queue.take() == [(job_id, 2) for job_id in ids[:SLOTS]]
    parts.clock.advance(2)
    assert work_all(parts, ids) == ["starting"] * SLOTS + ["queued"] * 4
    assert parts.queue.take() == [(job_id, 2) for job_id in ids[:SLOTS]]
    fleet_of(parts).refusal = None
    parts.clock.advance(2)
    assert work_all(parts, ids) == ["running"] * SLOTS + ["queued"] * 4

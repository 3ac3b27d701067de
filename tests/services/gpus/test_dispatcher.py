"""Which job gets a slot, and which waits in the queue until a follower takes it."""

import pytest

from chalicelib.config import config
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.services.gpus.checkpoints import CheckpointOrder
from chalicelib.services.gpus.inventory import Server
from tests.services.fakes import FakeComfyUI, Parts
from tests.services.workers import SlowComfyUI, accept_jobs, acquire_slot, slot_holders

SLOTS = config.slots_per_gpu


@pytest.fixture
def gpu() -> SlowComfyUI:
    return SlowComfyUI()


@pytest.fixture
def parts(aws: None, gpu: SlowComfyUI) -> Parts:
    return Parts(gpu)


def server(parts: Parts, name: str = "i-1") -> Server:
    return next(each for each in parts.inventory.serving() if each.instance.id == name)


def take(parts: Parts, name: str = "i-1", **how: int) -> str | None:
    """Have the follower of an instance take a job; return its id."""
    job = parts.dispatcher.take(server(parts, name), CheckpointOrder(set), **how)
    return str(job.id) if job else None


def take_all(parts: Parts, count: int) -> list[Job | None]:
    return [parts.take(parts.clock() + 70) for _ in range(count)]


def test_a_job_takes_a_free_slot_and_keeps_it_to_its_end(parts: Parts, gpu: SlowComfyUI) -> None:
    [job_id] = accept_jobs(parts)
    for _ in range(3):
        assert parts.work(job_id).status == "running"
        assert slot_holders() == {job_id}
    gpu.end(job_id)
    assert parts.work(job_id).status == "succeeded"
    assert slot_holders() == set()
    assert gpu.submitted == [attempt_id(job_id, 1)]


def test_a_job_that_waits_stands_in_the_queue_without_a_lease_until_its_deadline(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    ids = accept_jobs(parts, SLOTS + 2)
    take_all(parts, SLOTS + 2)
    assert gpu.submitted == [attempt_id(each, 1) for each in ids[:SLOTS]]
    for job_id in ids[SLOTS:]:
        job = Job.find(job_id)
        assert (job.status, job.lease, job.is_queued) == ("queued", None, True)
        assert job.due_at == job.deadline_at == parts.clock() + config.job_deadline_seconds


def test_a_full_gpu_leaves_the_queue_as_it_is(parts: Parts) -> None:
    ids = accept_jobs(parts, SLOTS + 2)
    take_all(parts, SLOTS)
    before = queue.first(10)
    assert take(parts) is None
    assert queue.first(10) == before
    assert [each.id for each in before] == ids[SLOTS:]
    assert Job.find(ids[SLOTS]).lease is None


def test_while_an_image_is_stored_the_next_job_gets_its_place(parts: Parts) -> None:
    ids = accept_jobs(parts, SLOTS + 2)
    take_all(parts, SLOTS)
    assert take(parts, storing=1) == ids[SLOTS]
    assert take(parts, storing=1) is None
    assert slot_holders() == {*ids[: SLOTS + 1]}


def test_the_next_job_gets_the_slot_of_one_that_has_ended(parts: Parts, gpu: SlowComfyUI) -> None:
    ids = accept_jobs(parts, SLOTS + 2)
    take_all(parts, SLOTS)
    gpu.end(ids[0])
    parts.work(ids[0])
    take_all(parts, 2)
    assert slot_holders() == {*ids[1 : SLOTS + 1]}
    assert Job.find(ids[SLOTS + 1]).is_queued


def test_a_job_that_another_follower_has_claimed_is_passed_over(parts: Parts) -> None:
    first, second = accept_jobs(parts, 2)
    assert Job(first).claim_from_queue("other", now=parts.clock(), until=parts.clock() + 60)
    assert take(parts) == second


def test_a_claim_whose_follower_died_is_taken_over(parts: Parts) -> None:
    [job_id] = accept_jobs(parts)
    assert Job(job_id).claim_from_queue("dies", now=parts.clock(), until=parts.clock() + 60)
    assert take(parts) is None
    parts.clock.advance(61)
    assert take(parts) == job_id


def test_a_job_that_ended_while_the_index_still_has_it_is_not_taken(parts: Parts) -> None:
    first, second = accept_jobs(parts, 2)
    Job.find(first).cancel({"code": "canceled"}, now=parts.clock())
    now = parts.clock()
    assert not Job(first).claim_from_queue("a follower", now=now, until=now + 60)
    assert take(parts) == second


def test_no_slot_is_given_while_the_instance_drains(parts: Parts) -> None:
    [job_id] = accept_jobs(parts)
    known = server(parts)
    InstanceRecord("i-1").drain(until=parts.clock() + 60)
    assert parts.dispatcher.take(known, CheckpointOrder(set)) is None
    job = Job.find(job_id)
    assert (job.is_queued, job.lease, job.due_at) == (True, None, job.deadline_at)


def test_a_job_whose_execution_another_gpu_may_still_have_is_left_to_it(aws: None) -> None:
    parts = Parts(SlowComfyUI(), SlowComfyUI())
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    [holder] = [name for name in ("i-1", "i-2") if job_id in slot_holders(name)]
    other = "i-2" if holder == "i-1" else "i-1"
    job = Job.find(job_id)
    job.claim("driver", now=parts.clock() + 60, until=parts.clock() + 120)
    job.put_back("queued", None, due_at=job.deadline_at, sort_key=queue.sort_key(job, now=0))
    assert take(parts, other) is None
    assert Job.find(job_id).is_queued
    assert take(parts, holder) == job_id


def test_a_caller_that_waits_gets_a_free_slot_at_once_only_if_no_job_waits(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    [first] = parts.submit(wait_seconds=1)
    assert slot_holders() == {first.id}
    [behind] = accept_jobs(parts)
    [second] = parts.submit(wait_seconds=1)
    assert (second.status, second.is_queued) == ("queued", True)
    assert [each.id for each in queue.first(5)] == [behind, second.id]
    assert slot_holders() == {first.id}


def test_synchronous_and_asynchronous_jobs_wait_in_the_same_queue(parts: Parts) -> None:
    accept_jobs(parts, SLOTS)
    take_all(parts, SLOTS)
    [waiting] = parts.submit(wait_seconds=5)
    [behind] = accept_jobs(parts)
    assert [each.id for each in queue.first(5)] == [waiting.id, behind]


def test_a_job_of_a_caller_that_waits_prefers_the_gpu_with_its_checkpoint(aws: None) -> None:
    parts = Parts(FakeComfyUI(), FakeComfyUI())
    for name, checkpoint in (("i-1", "other"), ("i-2", "a.safetensors")):
        record = InstanceRecord(name)
        assert record.acquire_slot("earlier", now=parts.clock(), checkpoint=checkpoint)
        record.release_slot("earlier")
    [job] = parts.submit()
    assert job.attempts[-1].instance_id == "i-2"


def test_an_unreachable_gpu_gets_no_job(aws: None) -> None:
    parts = Parts(FakeComfyUI(), FakeComfyUI())
    parts.ec2.silent.add("i-1")
    parts.inventory.observe()
    ids = [parts.submit()[0].attempts[-1].instance_id for _ in range(3)]
    assert ids == ["i-2"] * 3


def test_the_slots_of_all_gpus_are_used_before_a_job_waits(aws: None) -> None:
    parts = Parts(SlowComfyUI(), SlowComfyUI())
    ids = accept_jobs(parts, 2 * SLOTS + 1)
    take_all(parts, 2 * SLOTS + 1)
    assert slot_holders("i-1") | slot_holders("i-2") == {*ids[:-1]}
    assert Job.find(ids[-1]).is_queued


def test_a_job_that_has_a_slot_keeps_it_though_the_gpu_is_full(parts: Parts) -> None:
    ids = accept_jobs(parts, SLOTS)
    take_all(parts, SLOTS)
    assert not acquire_slot("another")
    assert parts.work(ids[0]).status == "running"
    assert slot_holders() == {*ids}

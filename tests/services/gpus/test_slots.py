"""Slots that their jobs no longer use, and jobs whose GPU is gone."""

import pytest

from chalicelib.config import config
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from tests.services.fakes import FakeFleet, Parts
from tests.services.workers import (
    SlowComfyUI,
    accept_jobs,
    acquire_slot,
    slot_holders,
    work_all,
)

SLOTS = config.slots_per_gpu


@pytest.fixture
def gpu() -> SlowComfyUI:
    return SlowComfyUI()


@pytest.fixture
def parts(aws: None, gpu: SlowComfyUI) -> Parts:
    return Parts(gpu)


@pytest.fixture
def two_gpus(aws: None) -> Parts:
    """The services of a function, with two_gpus GPUs."""
    return Parts(SlowComfyUI(), SlowComfyUI())


def fleet_of(parts: Parts) -> FakeFleet:
    fleet: FakeFleet = parts.fleet
    return fleet


def slow(parts: Parts) -> SlowComfyUI:
    assert isinstance(parts.comfyui, SlowComfyUI)
    return parts.comfyui


def new_messages(parts: Parts) -> list[tuple[str, int]]:
    """Return the messages since the last call."""
    sent, parts.queue.sent = parts.queue.sent, []
    return sent


def test_slots_that_no_job_uses_are_freed_for_the_next_job(two_gpus: Parts) -> None:
    done, moved = accept_jobs(two_gpus, 2)
    two_gpus.work(done)
    slow(two_gpus).end(done)
    two_gpus.work(done)
    fleet_of(two_gpus).gone = {"i-1"}
    two_gpus.work(moved)
    fleet_of(two_gpus).gone = {"i-2"}
    for unused in (done, moved, "vanished"):
        assert acquire_slot(unused)
    [job_id] = accept_jobs(two_gpus)
    assert two_gpus.work(job_id).status == "running"
    assert slot_holders("i-1") == {job_id}


def a_driven_job(parts: Parts) -> str:
    """Give a slot to a job whose driver has not written its attempt yet."""
    known = {"lease": "a driver", "due_at": parts.clock() + 60, "parameters": {}}
    Job.new("driven", now=parts.clock(), **known).save()
    acquire_slot("driven")
    return "driven"


def test_slots_that_jobs_use_are_not_freed(parts: Parts) -> None:
    running, fits, last = accept_jobs(parts, 3)
    parts.work(running)
    driven = a_driven_job(parts)
    acquire_slot("vanished")
    assert work_all(parts, [fits, last]) == ["running", "queued"]
    assert slot_holders() == {running, driven, fits}


def test_the_slot_of_a_dead_driver_is_freed_when_its_lease_has_ended(parts: Parts) -> None:
    driven = a_driven_job(parts)
    ids = accept_jobs(parts, SLOTS)
    assert work_all(parts, ids) == ["running"] * (SLOTS - 1) + ["queued"]
    parts.clock.advance(61)
    Job.find(ids[-1]).make_due(now=parts.clock())
    assert parts.work(ids[-1]).status == "running"
    assert driven not in slot_holders()


def test_a_queued_job_that_just_took_a_slot_blocks_no_other_slot(parts: Parts) -> None:
    ids = accept_jobs(parts, SLOTS)
    Job.find(ids[0]).claim("a driver", now=parts.clock(), until=parts.clock() + 60)
    InstanceRecord("i-1").acquire_slot(ids[0], now=parts.clock())
    assert work_all(parts, ids[1:]) == ["running"] * (SLOTS - 1)


def test_a_job_whose_instance_is_gone_moves_and_frees_its_slot(two_gpus: Parts) -> None:
    [job_id] = accept_jobs(two_gpus)
    two_gpus.work(job_id)
    assert (slot_holders("i-1"), slot_holders("i-2")) == ({job_id}, set())
    fleet_of(two_gpus).gone.add("i-1")
    assert two_gpus.work(job_id).status == "running"
    assert (slot_holders("i-1"), slot_holders("i-2")) == (set(), {job_id})
    reasons = [(each.instance_id, each.reason) for each in Job.find(job_id).attempts]
    assert reasons == [("i-1", "first"), ("i-2", "lost")]


def test_a_job_does_not_move_while_its_instance_serves(two_gpus: Parts) -> None:
    [job_id] = accept_jobs(two_gpus)
    two_gpus.work(job_id)
    for other in ("x", "y"):
        acquire_slot(other)
    for _ in range(3):
        two_gpus.work(job_id)
    assert [each.instance_id for each in Job.find(job_id).attempts] == ["i-1"]


def test_the_slots_of_all_instances_are_used_before_a_job_waits(two_gpus: Parts) -> None:
    ids = accept_jobs(two_gpus, 2 * SLOTS + 1)
    assert work_all(two_gpus, ids) == ["running"] * 2 * SLOTS + ["queued"]
    assert (slot_holders("i-1"), slot_holders("i-2")) == ({*ids[:SLOTS]}, {*ids[SLOTS : 2 * SLOTS]})


def test_the_reconciler_makes_queued_jobs_due_for_free_slots(two_gpus: Parts) -> None:
    fleet_of(two_gpus).gone.add("i-2")
    ids = accept_jobs(two_gpus, SLOTS + 2)
    work_all(two_gpus, ids)
    new_messages(two_gpus)
    two_gpus.dispatcher.repair()
    # One job is made due, to look for free slots.
    assert [job_id for job_id, _ in new_messages(two_gpus)] == [ids[SLOTS]]
    InstanceRecord("i-2").note("booting", now=two_gpus.clock(), is_on=True)
    fleet_of(two_gpus).gone.clear()
    two_gpus.clock.advance(1)
    assert two_gpus.work(ids[SLOTS]).status == "running"
    two_gpus.dispatcher.repair()
    assert new_messages(two_gpus)[-1] == (ids[SLOTS + 1], 0)
    assert two_gpus.work(ids[SLOTS + 1]).status == "running"


def test_the_reconciler_frees_the_slots_of_canceled_jobs(parts: Parts) -> None:
    ids = accept_jobs(parts, SLOTS)
    work_all(parts, ids)
    for job_id in ids[1:]:
        Job.find(job_id).cancel({"code": "canceled"}, now=parts.clock())
    [waiting] = accept_jobs(parts)
    job = Job.find(waiting)
    job.claim("a driver", now=parts.clock(), until=parts.clock() + 60)
    job.put_back("queued", None, due_at=parts.clock() + 300)
    new_messages(parts)
    parts.dispatcher.repair()
    assert slot_holders() == {ids[0]}
    assert new_messages(parts) == [(waiting, 0)]

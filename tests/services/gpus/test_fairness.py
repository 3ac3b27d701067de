"""Fairness between owners while workers process a whole backlog, one message at a time."""

import pytest

from chalicelib.config import config
from chalicelib.models.jobs.job import Job
from tests.services.fakes import FakeComfyUI, FakeFleet, Parts
from tests.services.workers import (
    PacedComfyUI,
    Workers,
    accept_jobs,
    slot_holders,
)

SLOTS = config.slots_per_gpu


def fleet_of(parts: Parts) -> FakeFleet:
    fleet: FakeFleet = parts.fleet
    return fleet


@pytest.mark.parametrize(("burst", "made_before"), [(200, 0), (30, 1), (30, 12)])
def test_a_burst_of_one_owner_does_not_delay_the_first_job_of_another(
    aws: None, burst: int, made_before: int
) -> None:
    """At most the jobs with slots and the head of the queue come before it."""
    parts = Parts(FakeComfyUI())
    gpu = PacedComfyUI(parts.clock)
    fleet_of(parts).comfyuis["i-1"] = gpu
    workers = Workers(parts)
    for _ in range(burst // 10):
        accept_jobs(parts, 10, owner="a")
    while len(gpu.made) < made_before or len(slot_holders()) < SLOTS:
        assert workers.work()
    before = len(gpu.made)
    [single] = accept_jobs(parts, owner="b")
    while single not in gpu.made:
        assert workers.work()
    assert gpu.made.index(single) - before <= SLOTS + 1
    assert len(slot_holders()) <= SLOTS


def test_owners_take_turns_and_each_job_is_made_once(aws: None) -> None:
    parts = Parts(FakeComfyUI())
    gpu = PacedComfyUI(parts.clock)
    fleet_of(parts).comfyuis["i-1"] = gpu
    workers = Workers(parts)
    ids = [job_id for caller in "abc" for job_id in accept_jobs(parts, 5, owner=caller)]
    while workers.work():
        pass
    assert sorted(gpu.made) == sorted(ids)
    assert {Job.find(job_id).status for job_id in ids} == {"succeeded"}
    assert slot_holders() == set()
    assert [Job.find(job_id).owner for job_id in gpu.made] == ["a", "b", "c"] * 5

"""The reconciler: jobs past their deadline, stalled jobs, and errors of its own chores."""

from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.config import config
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.services.reconciler import Reconciler
from tests.models.failing_dynamodb import refused
from tests.services.fakes import Parts
from tests.services.reconcilers import Gpus, reconcile
from tests.services.workers import SlowComfyUI, accept_jobs, slot_holders
from tests.virtual.dynamodb import error


@pytest.fixture
def parts(aws: None) -> Parts:
    return Parts(SlowComfyUI())


@pytest.fixture
def gpus() -> Gpus:
    return Gpus("i-1", "i-2")


def test_queued_jobs_fail_at_their_deadline_without_any_worker(
    reconciler: Reconciler, parts: Parts
) -> None:
    ids = accept_jobs(parts, 3)
    parts.clock.advance(config.job_deadline_seconds + 31)
    reconcile(reconciler, parts, minutes=1)
    assert {Job.find(job_id).error["code"] for job_id in ids} == {"expired"}
    assert queue.length() == 0


def test_a_job_that_a_follower_has_just_claimed_is_left_to_it(
    reconciler: Reconciler, parts: Parts
) -> None:
    [job_id] = accept_jobs(parts)
    parts.clock.advance(config.job_deadline_seconds + 31)
    job, now = Job(job_id), parts.clock()
    assert job.claim_from_queue("a follower", now=now, until=now + 60)
    reconciler.reconcile()
    assert Job.find(job_id).status == "queued"


def test_an_execution_past_its_deadline_is_dropped_without_any_worker(
    reconciler: Reconciler, parts: Parts
) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.clock.advance(config.execution_deadline_seconds + 31)
    parts.queue.take()
    reconciler.reconcile()
    assert Job.find(job_id).error["code"] == "deadline_exceeded"
    assert parts.comfyui.dropped == [attempt_id(job_id, 1)]
    assert slot_holders() == set()


def test_a_stalled_job_before_its_deadline_gets_a_follower(
    reconciler: Reconciler, parts: Parts
) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.clock.advance(60)
    parts.queue.take()
    reconciler.reconcile()
    assert Job.find(job_id).status == "running"
    assert ("i-1", 0) in parts.queue.take()


def test_a_stalled_job_that_has_no_slot_any_more_returns_to_the_queue(
    reconciler: Reconciler, parts: Parts
) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.ec2.turn_off()
    InstanceRecord("i-1").release_slot(job_id)
    parts.clock.advance(60)
    reconciler.reconcile()
    assert Job.find(job_id).is_queued
    assert Job.find(job_id).status == "queued"


def fail(*_: Any, **__: Any) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("failing", range(4))
def test_the_error_of_a_step_is_raised_after_all_other_steps(failing: int) -> None:
    done: list[str] = []

    def step(number: int, name: str) -> Any:
        return fail if number == failing else lambda: done.append(name)

    reconciler = Reconciler(
        SimpleNamespace(stop_unneeded=step(0, "stop")),  # type: ignore[arg-type]
        SimpleNamespace(sweep=step(1, "sweep")),  # type: ignore[arg-type]
        SimpleNamespace(repair=step(2, "repair"), start=lambda: done.append("start")),  # type: ignore[arg-type]
        SimpleNamespace(renew=lambda: done.append("renew")),  # type: ignore[arg-type]
        more=[step(3, "more")],
    )
    with pytest.raises(ZeroDivisionError):
        reconciler.reconcile()
    steps = ["stop", "sweep", "repair", "more"]
    assert {*done} == {"start", "renew", *steps} - {steps[failing]}


def test_an_error_with_one_overdue_job_does_not_skip_the_others(
    reconciler: Reconciler, parts: Parts
) -> None:
    ids = accept_jobs(parts, 6)
    parts.clock.advance(config.job_deadline_seconds + 31)
    failed = error("InternalServerError", "UpdateItem")
    with refused(f"'Key': {{'id': {{'S': '{ids[2]}'}}}}", failed):
        parts.overdue_jobs.sweep()
    assert [Job.find(each).status for each in ids].count("failed") >= 5
    reconciler.reconcile()
    assert {Job.find(each).status for each in ids} == {"failed"}

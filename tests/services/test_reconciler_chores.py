"""The reconciler: jobs past their deadline, unused slots, and errors of its own chores."""

from typing import Any

import pytest

from chalicelib.config import config
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.services.reconciler import Reconciler
from tests.services.fakes import Parts
from tests.services.reconcilers import Gpus, reconcile, reconciler_of
from tests.services.workers import SlowComfyUI, accept_jobs, slot_holders, work_all


@pytest.fixture
def parts(aws: None) -> Parts:
    return Parts(SlowComfyUI())


@pytest.fixture
def gpus() -> Gpus:
    return Gpus("i-1", "i-2")


def test_jobs_past_their_deadline_fail_without_any_worker(
    reconciler: Reconciler, parts: Parts
) -> None:
    ids = accept_jobs(parts, config.slots_per_gpu)
    work_all(parts, ids)
    parts.clock.advance(config.job_deadline_seconds + 31)
    reconcile(reconciler, parts, minutes=1)
    assert {Job.find(job_id).error["code"] for job_id in ids} == {"deadline_exceeded"}


def test_queued_jobs_fail_at_their_deadline_without_any_worker(
    reconciler: Reconciler, parts: Parts
) -> None:
    ids = accept_jobs(parts, config.slots_per_gpu + 3)
    work_all(parts, ids)
    parts.clock.advance(config.job_deadline_seconds + 31)
    reconcile(reconciler, parts, minutes=5)
    assert {Job.find(job_id).status for job_id in ids} == {"failed"}


def test_an_execution_past_its_deadline_is_dropped_without_any_worker(
    reconciler: Reconciler, parts: Parts
) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.clock.advance(config.execution_deadline_seconds + 31)
    sent = list(parts.queue.sent)
    reconciler.reconcile()
    assert Job.find(job_id).error["code"] == "deadline_exceeded"
    assert parts.comfyui.dropped == [attempt_id(job_id, 1)]
    assert (slot_holders(), parts.queue.sent) == (set(), sent)


def test_a_stalled_job_before_its_deadline_is_sent_to_a_worker(
    reconciler: Reconciler, parts: Parts
) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.clock.advance(60)
    parts.queue.take()
    reconciler.reconcile()
    assert Job.find(job_id).status == "running"
    assert parts.queue.take() == [(job_id, 0)]


def test_the_slot_of_a_canceled_job_is_freed_and_the_next_job_is_made_due(
    reconciler: Reconciler, parts: Parts
) -> None:
    *ids, waiting = accept_jobs(parts, config.slots_per_gpu + 1)
    work_all(parts, [*ids, waiting])
    # The process that cancels dies before the cleanup.
    Job.find(ids[0]).cancel({"code": "canceled"}, now=parts.clock())
    parts.queue.take()
    reconciler.reconcile()
    assert slot_holders() == {*ids[1:]}
    assert parts.queue.take() == [(waiting, 0)]


def fail(*_: Any, **__: Any) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("chore", ["repair", "sweep"])
def test_the_error_of_a_step_is_raised_after_all_other_steps(
    gpus: Gpus, parts: Parts, monkeypatch: pytest.MonkeyPatch, chore: str
) -> None:
    [job_id] = accept_jobs(parts)
    if chore == "repair":
        monkeypatch.setattr(parts.dispatcher, "repair", fail)
    else:
        monkeypatch.setattr("chalicelib.services.reconciler.overdue", fail)
    reconciler = reconciler_of(gpus, parts)
    gpus.fall_unhealthy("i-1", now=parts.clock())
    parts.queue.take()
    for _ in range(2):
        parts.clock.advance(60)
        with pytest.raises(ZeroDivisionError):
            reconciler.reconcile()
    assert parts.queue.take() == [(job_id, 0)] * 2
    assert gpus.stopped == ["i-1"]


def test_an_error_with_one_stalled_job_does_not_skip_the_others(
    reconciler: Reconciler, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = accept_jobs(parts, 3)
    sent_ids: list[str] = []

    def send(job_id: str, *, at: float) -> None:
        sent_ids.append(job_id)
        fail()

    monkeypatch.setattr(parts.job_messages, "send", send)
    monkeypatch.setattr(parts.dispatcher, "repair", lambda: None)
    parts.clock.advance(60)
    reconciler_of(Gpus(), parts).reconcile()
    assert sorted(sent_ids) == sorted(ids)

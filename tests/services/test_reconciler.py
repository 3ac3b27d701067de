"""The reconciler: jobs that nobody goes on with, and idle GPUs."""

from itertools import chain
from typing import Any

import pytest

from chalicelib.models.fleet import followers
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import Attempt, attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import overdue
from chalicelib.services.reconciler import Reconciler
from tests.models.failing_dynamodb import stand_in
from tests.models.queueing import enqueue
from tests.services.fakes import Clock, Parts
from tests.services.reconcilers import Gpus
from tests.virtual.dynamodb import Answer, ask


@pytest.fixture
def parts(aws: None, gpus: Gpus) -> Parts:
    return Parts(ec2=gpus)


def a_running_job(clock: Clock) -> Job:
    """Return a job with a slot, whose driver has it for ten seconds."""
    now = clock()
    job = Job.new("01J", now=now, parameters={}, due_at=now)
    job.save()
    job.claim("a driver", now=now, until=now + 10)
    InstanceRecord("i-1").acquire_slot("01J", now=now)
    made = Attempt(id=attempt_id("01J", 1), instance_id="i-1", started_at=now, reason="first")
    job.begin_attempt(made, queue_position=0)
    return job


def minutes(reconciler: Reconciler, clock: Clock, count: int) -> None:
    for _ in range(count):
        clock.advance(60)
        reconciler.reconcile()


def test_a_queue_whose_message_was_lost_gets_a_follower(
    reconciler: Reconciler, parts: Parts, clock: Clock
) -> None:
    minutes(reconciler, clock, 2)
    parts.queue.take()
    minutes(reconciler, clock, 1)
    assert parts.queue.take() == []
    enqueue("a", now=clock())
    minutes(reconciler, clock, 1)
    assert {*parts.queue.take()} == {("i-1", 0)}


def test_a_gpu_is_started_for_a_queue_whose_message_was_lost(
    reconciler: Reconciler, gpus: Gpus, clock: Clock
) -> None:
    gpus.turn_off("i-1")
    minutes(reconciler, clock, 2)
    assert gpus.started == []
    enqueue("a", now=clock())
    minutes(reconciler, clock, 1)
    assert gpus.started == ["i-1"]


def test_a_job_whose_driver_died_gets_a_follower_and_can_be_claimed(
    reconciler: Reconciler, parts: Parts, clock: Clock
) -> None:
    a_running_job(clock)
    minutes(reconciler, clock, 1)
    assert ("i-1", 0) in parts.queue.sent
    Job.find("01J").claim("the next driver", now=clock(), until=clock() + 60)


def test_a_job_that_is_being_driven_gets_no_other_follower(
    reconciler: Reconciler, parts: Parts, clock: Clock
) -> None:
    job = a_running_job(clock)
    now = clock()
    job.report(None, queue_position=0, now=now, until=now + 600)
    assert followers.claim(InstanceRecord("i-1"), "lease", now=now, until=now + 600)
    minutes(reconciler, clock, 5)
    assert parts.queue.sent == []


def test_a_finished_job_gets_no_follower(
    reconciler: Reconciler, parts: Parts, clock: Clock
) -> None:
    a_running_job(clock).succeed([], now=clock())
    InstanceRecord("i-1").release_slot("01J", now=clock())
    minutes(reconciler, clock, 2)
    parts.queue.take()
    minutes(reconciler, clock, 10)
    assert parts.queue.take() == []


def test_an_idle_gpu_is_stopped_after_the_configured_time(
    reconciler: Reconciler, gpus: Gpus, clock: Clock
) -> None:
    minutes(reconciler, clock, 5)
    assert gpus.stopped == []
    minutes(reconciler, clock, 1)
    assert gpus.stopped == ["i-1"]


def test_a_gpu_is_not_stopped_while_a_job_is_open(
    reconciler: Reconciler, gpus: Gpus, clock: Clock
) -> None:
    enqueue("a", now=clock())
    minutes(reconciler, clock, 30)
    assert gpus.stopped == []


def test_a_gpu_is_not_stopped_while_its_comfyui_executes_other_prompts(
    reconciler: Reconciler, gpus: Gpus, clock: Clock
) -> None:
    gpus.queues["i-1"] = 1
    minutes(reconciler, clock, 30)
    assert gpus.stopped == []


def test_a_job_between_two_reconciliations_restarts_the_idle_time(
    reconciler: Reconciler, gpus: Gpus, clock: Clock
) -> None:
    minutes(reconciler, clock, 4)
    InstanceRecord("i-1").acquire_slot("01J", now=clock())
    InstanceRecord("i-1").release_slot("01J", now=clock())
    minutes(reconciler, clock, 4)
    assert gpus.stopped == []
    minutes(reconciler, clock, 1)
    assert gpus.stopped == ["i-1"]


def test_an_instance_whose_comfyui_never_answers_is_stopped_even_with_jobs_waiting(
    reconciler: Reconciler, gpus: Gpus, clock: Clock
) -> None:
    enqueue("a", now=clock())
    gpus.queues.clear()
    minutes(reconciler, clock, 15)
    assert gpus.stopped == []
    minutes(reconciler, clock, 1)
    assert gpus.stopped == ["i-1"]


def test_an_instance_that_boots_in_time_is_not_stopped(
    reconciler: Reconciler, gpus: Gpus, clock: Clock
) -> None:
    gpus.queues.clear()
    minutes(reconciler, clock, 14)
    gpus.queues["i-1"] = 0
    minutes(reconciler, clock, 4)
    assert gpus.stopped == []


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_instance_that_is_kept_or_cannot_be_started_is_not_stopped(
    reconciler: Reconciler, gpus: Gpus, clock: Clock, *, is_kept: bool
) -> None:
    gpus.kept, gpus.can_be_started = ({"i-1"} if is_kept else set()), is_kept
    minutes(reconciler, clock, 30)
    assert gpus.stopped == []


def test_idle_time_before_an_instance_was_off_does_not_count(
    reconciler: Reconciler, gpus: Gpus, clock: Clock
) -> None:
    minutes(reconciler, clock, 4)
    gpus.turn_off("i-1")
    minutes(reconciler, clock, 60)
    gpus.turn_on("i-1")
    minutes(reconciler, clock, 5)
    assert gpus.stopped == []


def test_a_job_that_was_claimed_after_the_index_was_read_is_not_overdue(
    parts: Parts, clock: Clock
) -> None:
    jobs = [Job.new(f"01J{n}", now=clock(), parameters={}, due_at=clock()) for n in range(40)]
    for job in jobs:
        job.save()
    clock.advance(60)

    def claim_all(_: object, operation: str, parameters: dict[str, Any]) -> Answer:
        answer = ask(operation, parameters)
        for job in jobs:
            job.claim("driver", now=clock(), until=clock() + 30)
        return answer

    with stand_in(wanted="'by_due'", fail=claim_all):
        assert [*chain(*overdue(clock() - 10, shard=0, at_once=100))] == []
    assert {Job.find(job.id).lease for job in jobs} == {"driver"}

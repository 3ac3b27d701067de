"""The reconciler: stalled jobs and idle GPUs."""

from typing import Any

import pytest

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import overdue
from chalicelib.services.reconciler import Reconciler
from tests.services.fakes import Clock, Parts
from tests.services.reconcilers import Gpus


def a_job(clock: Clock, **known: Any) -> Job:
    job = Job.new("01J", now=clock(), parameters={}, **{"due_at": clock(), **known})
    job.save()
    return job


def minutes(reconciler: Reconciler, clock: Clock, count: int) -> None:
    for _ in range(count):
        clock.advance(60)
        reconciler.reconcile()


def test_a_job_whose_message_was_lost_gets_another_message(
    reconciler: Reconciler, parts: Parts, clock: Clock
) -> None:
    a_job(clock)
    minutes(reconciler, clock, 1)
    assert parts.queue.sent == [("01J", 0)]


def test_a_job_whose_driver_died_gets_a_message_and_can_be_claimed(
    reconciler: Reconciler, parts: Parts, clock: Clock
) -> None:
    job = a_job(clock)
    job.claim("a driver that dies", now=clock(), until=clock() + 10)
    minutes(reconciler, clock, 1)
    assert parts.queue.sent == [("01J", 0)]
    Job.find("01J").claim("the next driver", now=clock(), until=clock() + 60)


def test_a_job_that_is_being_driven_gets_no_message(
    reconciler: Reconciler, parts: Parts, clock: Clock
) -> None:
    a_job(clock).claim("a driver", now=clock(), until=clock() + 600)
    minutes(reconciler, clock, 5)
    assert parts.queue.sent == []


def test_a_job_that_is_not_due_yet_gets_no_message(
    reconciler: Reconciler, parts: Parts, clock: Clock
) -> None:
    a_job(clock, due_at=clock() + 100)
    minutes(reconciler, clock, 1)
    assert parts.queue.sent == []


def test_a_finished_job_gets_no_message(reconciler: Reconciler, parts: Parts, clock: Clock) -> None:
    job = a_job(clock)
    job.claim("a driver", now=clock(), until=clock() + 60)
    job.succeed([], now=clock())
    minutes(reconciler, clock, 10)
    assert parts.queue.sent == []


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
    a_job(clock, due_at=clock() + 10_000)
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
    InstanceRecord("i-1").release_slot("01J", now=clock(), execution_seconds=2)
    minutes(reconciler, clock, 4)
    assert gpus.stopped == []
    minutes(reconciler, clock, 1)
    assert gpus.stopped == ["i-1"]


def test_an_instance_whose_comfyui_never_answers_is_stopped_even_with_jobs_waiting(
    reconciler: Reconciler, gpus: Gpus, clock: Clock
) -> None:
    a_job(clock, due_at=clock() + 10_000)
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


def test_a_job_that_was_claimed_after_the_index_was_read_is_not_overdue(clock: Clock) -> None:
    jobs = [Job.new(f"01J{n}", now=clock(), parameters={}, due_at=clock()) for n in range(40)]
    for job in jobs:
        job.save()
    clock.advance(60)
    found = overdue(clock() - 10)
    first = next(found)  # a page of the index is read
    for job in jobs:
        job.claim("driver", now=clock(), until=clock() + 30)
    assert list(found) == []
    assert Job.find(first.id).lease == "driver"

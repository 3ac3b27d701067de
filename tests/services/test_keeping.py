"""The keeper: jobs that nobody drives, and a GPU that has nothing to do."""

from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.models.instance import InstanceRecord
from chalicelib.models.job import Job
from chalicelib.services.fleet import Server
from chalicelib.services.keeping import Keeper
from tests.services.fakes import Clock, Parts

IDLE_STOP_SECONDS = 300


class FakeFleet:
    """Instances that answer; `stopped` are those that were switched off."""

    def __init__(self) -> None:
        facts = {"is_kept": False, "can_be_started": True, "state": "running"}
        self.instance = SimpleNamespace(id="i-1", **facts)
        self.queue_length = 0
        self.is_silent = False
        self.is_sick = False
        self.stopped: list[str] = []

    def members(self) -> list[Any]:
        return [] if self.stopped else [self.instance]

    def answering(self) -> list[Any]:
        if self.stopped or self.is_silent:
            return []
        record = InstanceRecord.read("i-1")
        comfyui = SimpleNamespace(queue_length=lambda: self.queue_length)
        facts = {"is_sick": self.is_sick, "is_draining": False}
        return [Server(self.instance, comfyui, self.queue_length, record, **facts)]

    def stop(self, instance: Any) -> None:
        self.stopped.append(instance.id)


@pytest.fixture
def parts(aws: None) -> Parts:
    return Parts()


@pytest.fixture
def clock(parts: Parts) -> Clock:
    return parts.clock


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


@pytest.fixture
def keeper(fleet: FakeFleet, parts: Parts) -> Keeper:
    return Keeper(
        fleet,  # type: ignore[arg-type]
        parts.dispatch,
        parts.driver,
        parts.waker,
        idle_stop_seconds=IDLE_STOP_SECONDS,
        boot_timeout_seconds=900,
        clock=parts.clock,
    )


def a_job(clock: Clock, **known: Any) -> Job:
    job = Job.new("01J", now=clock(), parameters={}, **{"due_at": clock(), **known})
    job.save()
    return job


def minutes(keeper: Keeper, clock: Clock, count: int) -> None:
    for _ in range(count):
        clock.advance(60)
        keeper.keep()


def test_a_job_whose_message_was_lost_is_woken(keeper: Keeper, parts: Parts, clock: Clock) -> None:
    a_job(clock)
    minutes(keeper, clock, 1)
    assert parts.queue.sent == [("01J", 0)]


def test_a_job_whose_driver_died_is_woken_and_can_be_claimed(
    keeper: Keeper, parts: Parts, clock: Clock
) -> None:
    job = a_job(clock)
    job.claim("a driver that dies", now=clock(), until=clock() + 10)
    minutes(keeper, clock, 1)
    assert parts.queue.sent == [("01J", 0)]
    Job.find("01J").claim("the next driver", now=clock(), until=clock() + 60)


def test_a_job_that_is_driven_is_left_alone(keeper: Keeper, parts: Parts, clock: Clock) -> None:
    a_job(clock).claim("a driver", now=clock(), until=clock() + 600)
    minutes(keeper, clock, 5)
    assert parts.queue.sent == []


def test_a_job_that_waits_for_its_time_is_left_alone(
    keeper: Keeper, parts: Parts, clock: Clock
) -> None:
    a_job(clock, due_at=clock() + 100)
    minutes(keeper, clock, 1)
    assert parts.queue.sent == []


def test_a_finished_job_is_left_alone(keeper: Keeper, parts: Parts, clock: Clock) -> None:
    job = a_job(clock)
    job.claim("a driver", now=clock(), until=clock() + 60)
    job.succeed([], now=clock())
    minutes(keeper, clock, 10)
    assert parts.queue.sent == []


def test_an_idle_gpu_is_stopped_after_the_configured_time(
    keeper: Keeper, fleet: FakeFleet, clock: Clock
) -> None:
    minutes(keeper, clock, 5)
    assert fleet.stopped == []
    minutes(keeper, clock, 1)
    assert fleet.stopped == ["i-1"]


def test_a_gpu_is_not_stopped_while_a_job_is_open(
    keeper: Keeper, fleet: FakeFleet, clock: Clock
) -> None:
    a_job(clock, due_at=clock() + 10_000)
    minutes(keeper, clock, 30)
    assert fleet.stopped == []


def test_a_gpu_is_not_stopped_while_comfyui_works_for_somebody_else(
    keeper: Keeper, fleet: FakeFleet, clock: Clock
) -> None:
    fleet.queue_length = 1
    minutes(keeper, clock, 30)
    assert fleet.stopped == []


def test_work_between_two_rounds_counts_as_work(
    keeper: Keeper, fleet: FakeFleet, clock: Clock
) -> None:
    minutes(keeper, clock, 4)
    job = a_job(clock)
    job.claim("a driver", now=clock(), until=clock() + 60)
    job.succeed([], now=clock())
    minutes(keeper, clock, 4)
    assert fleet.stopped == []
    minutes(keeper, clock, 1)
    assert fleet.stopped == ["i-1"]


def test_an_instance_whose_comfyui_never_answers_is_stopped_even_with_jobs_waiting(
    keeper: Keeper, fleet: FakeFleet, clock: Clock
) -> None:
    a_job(clock, due_at=clock() + 10_000)
    fleet.is_silent = True
    minutes(keeper, clock, 15)
    assert fleet.stopped == []
    minutes(keeper, clock, 1)
    assert fleet.stopped == ["i-1"]


def test_an_instance_that_boots_in_time_is_not_stopped_for_it(
    keeper: Keeper, fleet: FakeFleet, clock: Clock
) -> None:
    fleet.is_silent = True
    minutes(keeper, clock, 14)
    fleet.is_silent = False
    minutes(keeper, clock, 4)
    assert fleet.stopped == []


@pytest.mark.parametrize("fact", [{"is_kept": True}, {"can_be_started": False}])
def test_an_instance_that_is_not_ours_to_stop_stays_on(
    keeper: Keeper, fleet: FakeFleet, clock: Clock, fact: dict[str, bool]
) -> None:
    vars(fleet.instance).update(fact)
    minutes(keeper, clock, 30)
    assert fleet.stopped == []


def test_idleness_before_an_instance_was_off_does_not_count(
    keeper: Keeper, fleet: FakeFleet, clock: Clock
) -> None:
    minutes(keeper, clock, 4)
    fleet.stopped = ["by hand"]
    minutes(keeper, clock, 60)
    fleet.stopped = []
    minutes(keeper, clock, 5)
    assert fleet.stopped == []

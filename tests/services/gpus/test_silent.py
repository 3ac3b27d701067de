"""GPUs that are on and do not answer: they delay no other one, and are stopped."""

from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.days import date_of
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.usage import DayUsage
from chalicelib.services.reconciler import Reconciler
from tests.gateways.region import fleet_of
from tests.models.failing_dynamodb import refused
from tests.models.queueing import enqueue
from tests.services.fakes import Clock, Parts
from tests.services.reconcilers import Gpus, reconcile, reconciler_of
from tests.virtual.dynamodb import error
from tests.virtual.worlds import statuses, world_of


@pytest.fixture
def gpus() -> Gpus:
    return Gpus("i-1", "i-2")


@pytest.fixture
def parts(aws: None, gpus: Gpus) -> Parts:
    return Parts(ec2=gpus)


def throttled() -> ClientError:
    return error("ProvisionedThroughputExceededException", "Query")


def ready(gpus: Gpus, parts: Parts) -> Reconciler:
    """Return a reconciler that has seen that all instances are ready."""
    reconciler = reconciler_of(gpus, parts)
    reconcile(reconciler, parts, minutes=2)
    return reconciler


def fall_silent(gpus: Gpus, name: str) -> None:
    gpus.queues.pop(name, None)


def test_a_hung_gpu_delays_no_image_of_a_healthy_one() -> None:
    with world_of(2, image_seconds=3) as world:
        world.region.gpus["i-00"].is_hung = True
        world.at(0, partial(world.send, "i-00"))
        world.run(5)
        began = world.clock()
        ids = world.request(count=8)
        world.run(8 * 3 + 2)
        assert statuses(ids) == {"succeeded"}
        assert world.region.gpus["i-01"].busy_seconds(began, began + 25) > 23


def test_the_reconciler_asks_all_gpus_at_once_so_that_silent_ones_add_up_to_no_wait() -> None:
    with world_of(7) as world:
        for gpu in world.region.gpus.values():
            gpu.is_hung = True
        took: list[float] = []

        def observe() -> None:
            began = world.clock()
            world.function().inventory.observe()
            took.append(world.clock() - began)

        world.at(0, observe)
        world.run(30)
        assert took[0] < 2.5  # a timeout of one is two seconds


def test_an_idle_gpu_that_does_not_answer_is_stopped_after_two_to_three_minutes(
    gpus: Gpus, parts: Parts
) -> None:
    reconciler = ready(gpus, parts)
    fall_silent(gpus, "i-1")
    reconcile(reconciler, parts, minutes=2)
    assert gpus.stopped == []
    reconcile(reconciler, parts, minutes=1)
    assert gpus.stopped == ["i-1"]


def test_a_silent_gpu_is_stopped_though_jobs_wait_and_it_is_the_last(parts: Parts) -> None:
    gpus = Gpus("i-1")
    reconciler = ready(gpus, parts)
    enqueue("a", now=parts.clock())
    fall_silent(gpus, "i-1")
    reconcile(reconciler, parts, minutes=3)
    assert gpus.stopped == ["i-1"]


def test_a_gpu_that_answers_again_within_two_minutes_stays_on(gpus: Gpus, parts: Parts) -> None:
    reconciler = ready(gpus, parts)
    fall_silent(gpus, "i-1")
    reconcile(reconciler, parts, minutes=2)
    gpus.queues["i-1"] = 0
    reconcile(reconciler, parts, minutes=1)
    assert (gpus.stopped, InstanceRecord.read("i-1").unreachable_since) == ([], None)


def test_a_silent_gpu_that_a_person_keeps_is_not_stopped(gpus: Gpus, parts: Parts) -> None:
    gpus.kept = {"i-1"}
    reconciler = ready(gpus, parts)
    fall_silent(gpus, "i-1")
    reconcile(reconciler, parts, minutes=4)
    assert "i-1" not in gpus.stopped


def round_without_queue(reconciler: Reconciler, clock: Clock) -> None:
    """Reconcile once while each read of the queue is refused."""
    with (
        refused("'by_queue'", throttled(), times=1000),
        pytest.raises(Exception, match="ProvisionedThroughputExceeded"),
    ):
        reconciler.reconcile()
    clock.advance(60)


def test_idle_and_silent_gpus_are_stopped_while_the_queue_cannot_be_read(
    gpus: Gpus, parts: Parts
) -> None:
    reconciler = ready(gpus, parts)
    fall_silent(gpus, "i-1")
    for _ in range(6):
        round_without_queue(reconciler, parts.clock)
    assert gpus.stopped == ["i-1", "i-2"]


def test_the_time_of_gpus_is_booked_while_the_queue_cannot_be_read(
    gpus: Gpus, parts: Parts
) -> None:
    reconciler = ready(gpus, parts)
    for _ in range(3):
        round_without_queue(reconciler, parts.clock)
    found = DayUsage.on(date_of(parts.clock()))
    assert found.booting_seconds + found.idle_seconds == 2 * (60 + 3 * 60)


@pytest.mark.parametrize("trouble", ["silent", "unhealthy", "draining"])
def test_a_gpu_that_is_on_and_does_not_serve_counts_towards_the_largest_fleet(
    parts: Parts, trouble: str
) -> None:
    gpus = Gpus("i-1", "i-2")
    gpus.turn_off("i-2")
    fleet = fleet_of(gpus, clock=parts.clock, fleet_max=1)
    fleet.inventory.observe()
    make: dict[str, Any] = {
        "silent": partial(fall_silent, gpus, "i-1"),
        "unhealthy": partial(gpus.fall_unhealthy, "i-1", now=parts.clock()),
        "draining": partial(InstanceRecord("i-1").drain, until=parts.clock() + 900),
    }
    make[trouble]()
    fleet.inventory.observe()
    parts.clock.advance(65)
    enqueue("a", 60, now=parts.clock())
    fleet.scale(least_jobs=1)
    assert gpus.started == []
    gpus.turn_off("i-1")
    parts.clock.advance(10)
    fleet.scale(least_jobs=1)
    assert len(gpus.started) == 1


def test_a_silent_gpu_is_replaced_once_it_is_stopped() -> None:
    with world_of(1, image_seconds=3) as world:
        ids = world.request(count=2)
        world.region.gpus["i-00"].is_hung = True

        def recover() -> None:
            world.region.gpus["i-00"].is_hung = not world.region.stopped

        for second in range(0, 400, 5):
            world.at(second, recover)
        world.run(420)
        assert world.region.stopped == ["i-00"]
        assert world.region.started == ["i-00"]
        assert statuses(ids) == {"succeeded"}

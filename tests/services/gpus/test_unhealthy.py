"""What the reconciler does with instances that are unhealthy, or about to stop."""

from contextlib import suppress
from typing import Any

import pytest

from chalicelib.errors import StopFailed
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.services.reconciler import Reconciler
from tests.models.failing_dynamodb import stand_in
from tests.services.fakes import Parts
from tests.services.reconcilers import Gpus, reconcile
from tests.services.workers import SlowComfyUI, accept_jobs, acquire_slot
from tests.virtual.dynamodb import Answer, ask


@pytest.fixture
def parts(aws: None) -> Parts:
    return Parts(SlowComfyUI())


@pytest.fixture
def gpus() -> Gpus:
    return Gpus("i-1", "i-2")


def test_an_instance_that_stays_unhealthy_is_stopped_though_jobs_wait(
    reconciler: Reconciler, gpus: Gpus, parts: Parts
) -> None:
    accept_jobs(parts, 3)
    gpus.fall_unhealthy("i-2", now=parts.clock())
    reconcile(reconciler, parts, minutes=1)
    assert gpus.stopped == []
    reconcile(reconciler, parts, minutes=1)
    assert gpus.stopped == ["i-2"]


def test_an_instance_that_works_again_is_marked_healthy(
    reconciler: Reconciler, gpus: Gpus, parts: Parts
) -> None:
    gpus.fall_unhealthy("i-1", "i-2", now=parts.clock())
    gpus.broken.remove("bad i-1")
    reconcile(reconciler, parts, minutes=1)
    assert [InstanceRecord.read(name).unhealthy_attempt for name in ("i-1", "i-2")] == [
        None,
        "bad i-2",
    ]
    gpus.broken.clear()
    reconcile(reconciler, parts, minutes=4)
    assert gpus.stopped == []


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_unhealthy_instance_that_is_kept_or_cannot_be_started_is_not_stopped(
    reconciler: Reconciler, gpus: Gpus, parts: Parts, *, is_kept: bool
) -> None:
    accept_jobs(parts)
    gpus.kept, gpus.can_be_started = ({"i-2"} if is_kept else set()), is_kept
    gpus.fall_unhealthy("i-2", now=parts.clock())
    reconcile(reconciler, parts, minutes=5)
    assert gpus.stopped == []


def test_an_instance_that_gets_a_job_just_before_its_stop_stays_on(
    reconciler: Reconciler, gpus: Gpus, parts: Parts
) -> None:
    reconcile(reconciler, parts, minutes=5)

    def take_slot(_: object, operation: str, parameters: dict[str, Any]) -> Answer:
        assert acquire_slot("01J", "i-1")
        return ask(operation, parameters)

    # The queue is read after the instances were observed.
    with stand_in(wanted="'by_queue'", fail=take_slot):
        reconcile(reconciler, parts, minutes=1)
    assert gpus.stopped == ["i-2"]


def test_an_error_in_stopping_one_instance_does_not_keep_the_others_on(
    reconciler: Reconciler, gpus: Gpus, parts: Parts
) -> None:
    gpus.fall_unhealthy("i-1", "i-2", now=parts.clock())
    gpus.stubborn = {"i-1"}
    for _ in range(3):
        with suppress(StopFailed):
            reconciler.reconcile()
        parts.clock.advance(60)
    assert gpus.stopped == ["i-2"]

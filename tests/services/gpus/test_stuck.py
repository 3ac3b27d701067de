"""Instances that hang in `stopping`: they are stopped with force, and people are told."""

import logging

import pytest

from chalicelib.errors import GpuNotReady
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.services.gpus.status_texts import comfyui_status
from tests.gateways.region import acquire, fleet_of
from tests.services.fakes import Parts
from tests.services.reconcilers import Gpus, reconcile, reconciler_of


@pytest.fixture
def gpus() -> Gpus:
    """An instance that does not stop."""
    made = Gpus("i-1")
    made.turn_off("i-1")
    made.states["i-1"] = "stopping"
    return made


def told(gpus: Gpus, parts: Parts) -> GpuNotReady:
    with pytest.raises(GpuNotReady) as wait:
        acquire(fleet_of(gpus, clock=parts.clock))
    return wait.value


def status(gpus: Gpus, parts: Parts) -> str:
    fleet = fleet_of(gpus, clock=parts.clock)
    return comfyui_status(fleet.inventory, parts.budget, parts.clock()).message


def test_an_instance_that_hangs_for_five_minutes_is_stopped_with_force(
    gpus: Gpus, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "darkroom")
    reconcile(reconciler_of(gpus, parts), parts, minutes=5)
    assert gpus.forced == []
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    assert gpus.forced == ["i-1"]
    [line] = [each for each in caplog.records if hasattr(each, "StuckInstances")]
    assert (line.instance_id, line.StuckInstances) == ("i-1", 1)
    assert [each.levelname for each in caplog.records if each.name == "darkroom.stuck"] == [
        "WARNING"
    ]


def test_force_is_repeated_every_three_minutes_while_it_does_not_help(
    gpus: Gpus, parts: Parts
) -> None:
    reconcile(reconciler_of(gpus, parts), parts, minutes=15)
    assert gpus.forced == ["i-1"] * 4


def test_two_reconcilers_use_force_once(gpus: Gpus, parts: Parts) -> None:
    reconcile(reconciler_of(gpus, parts), parts, minutes=5)
    for _ in range(2):
        reconciler_of(gpus, parts).reconcile()
    assert gpus.forced == ["i-1"]


def test_the_status_and_jobs_say_that_it_hangs_and_since_when(gpus: Gpus, parts: Parts) -> None:
    reconcile(reconciler_of(gpus, parts), parts, minutes=4)
    assert str(told(gpus, parts)) == "the GPU instance is starting"
    assert status(gpus, parts).startswith("The GPU instance is stopping; the next image starts it")
    reconcile(reconciler_of(gpus, parts), parts, minutes=2)
    wait = told(gpus, parts)
    text = "the GPU instance hangs in stopping since 08:00 UTC; it is stopped with force"
    assert (str(wait), wait.retry_seconds) == (text, 15)
    assert status(gpus, parts) == f"T{text[1:]}. No jobs are waiting."


def test_an_instance_that_stops_after_all_is_started_again(gpus: Gpus, parts: Parts) -> None:
    reconcile(reconciler_of(gpus, parts), parts, minutes=6)
    gpus.states["i-1"] = "stopped"
    assert str(told(gpus, parts)) == "the GPU instance is starting"
    assert gpus.states["i-1"] == "pending"


def test_another_instance_is_started_and_told_of_while_one_hangs(parts: Parts) -> None:
    gpus = Gpus("i-1", "i-2")
    for name in ("i-1", "i-2"):
        gpus.turn_off(name)
    gpus.states["i-1"] = "stopping"
    reconcile(reconciler_of(gpus, parts), parts, minutes=7)
    assert str(told(gpus, parts)) == "the GPU instance is starting"
    assert gpus.states["i-2"] == "pending"


def test_an_instance_that_a_person_keeps_is_not_stopped_with_force(
    gpus: Gpus, parts: Parts
) -> None:
    gpus.kept = {"i-1"}
    reconcile(reconciler_of(gpus, parts), parts, minutes=10)
    assert gpus.forced == []


def test_a_state_that_was_noted_long_ago_does_not_count(gpus: Gpus, parts: Parts) -> None:
    InstanceRecord("i-1").note("stopping", now=parts.clock(), is_on=False)
    parts.clock.advance(3600)
    reconcile(reconciler_of(gpus, parts), parts, minutes=5)
    assert gpus.forced == []

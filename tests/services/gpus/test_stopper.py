"""Which instances are stopped: idle ones, those that do not work, and those on for too long."""

from contextlib import suppress

import pytest

from chalicelib.config import config
from chalicelib.errors import StopFailed
from chalicelib.gateways.comfyui.errors import Failure
from chalicelib.gateways.comfyui.state import Finished
from chalicelib.models.fleet import boots
from chalicelib.models.fleet.instance import InstanceRecord
from tests.models.queueing import enqueue
from tests.services.fakes import Parts
from tests.services.reconcilers import Gpus, reconcile, reconciler_of
from tests.services.workers import acquire_slot


@pytest.fixture
def gpus() -> Gpus:
    return Gpus("i-1", "i-2")


@pytest.fixture
def parts(aws: None, gpus: Gpus) -> Parts:
    return Parts(ec2=gpus)


def fail_boots(parts: Parts, count: int) -> None:
    for _ in range(count):
        InstanceRecord("i-1").started(now=parts.clock())
        boots.failed(InstanceRecord.read("i-1"), "broken", now=parts.clock())
        parts.clock.advance(1)


def test_one_idle_instance_stays_on_while_jobs_are_open(gpus: Gpus, parts: Parts) -> None:
    enqueue("a", now=parts.clock())
    reconcile(reconciler_of(gpus, parts), parts, minutes=20)
    assert gpus.stopped == ["i-1"]


def test_without_open_jobs_all_idle_instances_are_stopped(gpus: Gpus, parts: Parts) -> None:
    reconcile(reconciler_of(gpus, parts), parts, minutes=6)
    assert gpus.stopped == ["i-1", "i-2"]


def test_an_instance_with_a_job_stays_on(gpus: Gpus, parts: Parts) -> None:
    acquire_slot("01J", "i-1")
    reconcile(reconciler_of(gpus, parts), parts, minutes=20)
    assert gpus.stopped == ["i-2"]


def test_an_idle_instance_that_was_started_by_hand_is_stopped(gpus: Gpus, parts: Parts) -> None:
    gpus.turn_off("i-1")
    gpus.turn_off("i-2")
    reconciler = reconciler_of(gpus, parts)
    reconcile(reconciler, parts, minutes=10)
    gpus.turn_on("i-2")  # by hand
    reconcile(reconciler, parts, minutes=7)
    assert gpus.stopped == ["i-2"]


def test_the_record_of_an_instance_that_no_longer_exists_is_deleted(
    gpus: Gpus, parts: Parts
) -> None:
    InstanceRecord("i-9").note("busy", now=parts.clock(), is_on=True)
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    assert {each.id for each in InstanceRecord.all()} == {"i-1", "i-2"}


def test_an_instance_whose_warm_up_fails_is_stopped_at_once(gpus: Gpus, parts: Parts) -> None:
    gpus.warm_ups["i-1"] = Finished({}, Failure("gpu_failed", "CUDA error"))
    gpus.warm_ups["i-2"] = Finished({})
    reconcile(reconciler_of(gpus, parts, checkpoint="a.safetensors"), parts, minutes=1)
    assert gpus.stopped == ["i-1"]


def test_an_instance_is_not_started_for_an_hour_after_three_failed_boots(parts: Parts) -> None:
    gpus = Gpus("i-1")
    reconciler = reconciler_of(gpus, parts)
    for _ in range(3):
        gpus.turn_on("i-1")
        gpus.queues.clear()
        reconcile(reconciler, parts, minutes=16)
        reconcile(reconciler, parts, minutes=1)
    assert gpus.stopped == ["i-1"] * 3
    enqueue("a", now=parts.clock())
    reconcile(reconciler, parts, minutes=50)
    assert gpus.started == []
    assert InstanceRecord.read("i-1").state == "unhealthy"
    reconcile(reconciler, parts, minutes=12)
    assert gpus.started[0] == "i-1"


def test_a_successful_boot_resets_the_count_of_failed_boots(parts: Parts) -> None:
    gpus = Gpus("i-1")
    fail_boots(parts, 1)
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    assert InstanceRecord.read("i-1").failed_boots == 0


def test_an_instance_that_is_on_for_too_long_is_stopped_though_it_is_busy(
    gpus: Gpus, parts: Parts
) -> None:
    gpus.queues["i-1"] = 1  # another program's prompt, which never ends
    reconciler = reconciler_of(gpus, parts)
    reconcile(reconciler, parts, minutes=1)
    on_since = parts.clock() - 12 * 3600 + 90
    InstanceRecord("i-1").update([InstanceRecord.on_since.set(on_since)])
    reconcile(reconciler, parts, minutes=2)
    assert "i-1" not in gpus.stopped
    reconcile(reconciler, parts, minutes=2)
    assert "i-1" in gpus.stopped


def test_a_job_on_an_instance_that_is_on_for_too_long_has_time_to_end(
    gpus: Gpus, parts: Parts
) -> None:
    reconciler = reconciler_of(gpus, parts)
    gpus.queues["i-1"] = 1
    reconcile(reconciler, parts, minutes=1)
    on_since = parts.clock() - 12 * 3600
    InstanceRecord("i-1").update([InstanceRecord.on_since.set(on_since)])
    acquire_slot("01J", "i-1")
    reconcile(reconciler, parts, minutes=2)
    assert "i-1" not in gpus.stopped
    assert not acquire_slot("another", "i-1")
    reconcile(reconciler, parts, minutes=config.execution_deadline_seconds // 60)
    assert "i-1" in gpus.stopped


def test_a_drained_instance_serves_again_after_its_next_start(parts: Parts) -> None:
    gpus = Gpus("i-1")
    reconciler = reconciler_of(gpus, parts)
    reconcile(reconciler, parts, minutes=1)
    InstanceRecord("i-1").drain(until=parts.clock() + 900)
    InstanceRecord("i-1").started(now=parts.clock())
    reconcile(reconciler, parts, minutes=1)
    assert InstanceRecord.read("i-1").state == "ready"
    assert acquire_slot("01J", "i-1")


def test_a_failed_boot_whose_stop_ec2_refuses_counts_once(parts: Parts) -> None:
    gpus = Gpus("i-1")
    gpus.queues.clear()
    gpus.stubborn = {"i-1"}
    reconciler = reconciler_of(gpus, parts)
    for _ in range(19):
        with suppress(StopFailed):
            reconciler.reconcile()
        parts.clock.advance(60)
    assert InstanceRecord.read("i-1").failed_boots == 0
    gpus.stubborn.clear()
    reconcile(reconciler, parts, minutes=1)
    assert InstanceRecord.read("i-1").failed_boots == 1


def test_the_boot_timeout_restarts_after_a_failed_boot(parts: Parts) -> None:
    gpus = Gpus("i-1")
    gpus.queues.clear()
    reconciler = reconciler_of(gpus, parts)
    while not gpus.stopped:
        reconcile(reconciler, parts, minutes=1)
    gpus.states["i-1"] = "running"  # started again before the reconciler observed that it was off
    InstanceRecord("i-1").started(now=parts.clock())
    reconcile(reconciler, parts, minutes=14)
    assert gpus.stopped == ["i-1"]


def test_an_idle_instance_that_sometimes_does_not_answer_is_stopped(parts: Parts) -> None:
    gpus = Gpus("i-1")
    reconciler = reconciler_of(gpus, parts)
    for minute in range(12):
        if minute % 4 == 3:
            gpus.queues.pop("i-1", None)
        elif gpus.states["i-1"] == "running":
            gpus.queues["i-1"] = 0
        reconcile(reconciler, parts, minutes=1)
    assert gpus.stopped == ["i-1"]


def test_a_spot_notice_during_a_boot_does_not_count_as_a_failed_boot(parts: Parts) -> None:
    gpus = Gpus("i-1")
    gpus.queues.clear()
    reconciler = reconciler_of(gpus, parts)
    reconcile(reconciler, parts, minutes=1)
    InstanceRecord("i-1").drain(until=parts.clock() + 300)
    reconcile(reconciler, parts, minutes=2)
    assert (InstanceRecord.read("i-1").failed_boots, gpus.stopped) == (0, [])


def test_a_boot_in_which_ec2_stops_the_instance_counts_as_failed(parts: Parts) -> None:
    gpus = Gpus("i-1")
    gpus.queues.clear()
    reconciler = reconciler_of(gpus, parts)
    reconcile(reconciler, parts, minutes=1)
    gpus.turn_off("i-1")
    reconcile(reconciler, parts, minutes=2)
    record = InstanceRecord.read("i-1")
    assert (record.failed_boots, record.unhealthy_reason) == (1, "it went off while it booted")


def test_hours_without_a_reconciler_do_not_count_as_time_on(parts: Parts) -> None:
    gpus = Gpus("i-1")
    reconciler = reconciler_of(gpus, parts)
    reconcile(reconciler, parts, minutes=1)
    parts.clock.advance(13 * 3600)
    gpus.queues["i-1"] = 1
    reconcile(reconciler, parts, minutes=2)
    assert gpus.stopped == []


def test_a_start_after_the_record_was_read_is_not_overwritten(parts: Parts) -> None:
    InstanceRecord("i-1").started(now=900)
    described_before = InstanceRecord.read("i-1")
    InstanceRecord("i-1").started(now=1000)
    boots.went_off(described_before, now=1001)
    assert InstanceRecord.read("i-1").on_since == 1000


def test_an_instance_that_is_ready_again_is_no_longer_left_alone(parts: Parts) -> None:
    gpus = Gpus("i-1")
    fail_boots(parts, 3)
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    assert InstanceRecord.read("i-1").unhealthy_until is None


def test_a_start_that_only_ec2_reports_resets_the_times_of_the_record(parts: Parts) -> None:
    record = InstanceRecord("i-1")
    record.note("ready", now=1000, is_on=True)
    InstanceRecord("i-1").became_ready(now=1001)
    record = InstanceRecord.read("i-1")
    record.note("booting", now=1060, is_on=True, launched_at=990)
    assert InstanceRecord.read("i-1").ready_at == 1001
    record.note("booting", now=1120, is_on=True, launched_at=1110)
    found = InstanceRecord.read("i-1")
    assert (found.on_since, found.ready_at) == (1120, None)

"""Stops that an administrator requests, while drivers and the reconciler are at work."""

from typing import Any

import pytest

from chalicelib.days import date_of
from chalicelib.errors import FleetUnreachable
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.attempt import GPU_STOPPED, attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.models.usage import DayUsage
from chalicelib.services.gpus.power import GpuPower, Stopped
from chalicelib.services.gpus.queue_snapshots import QueueSnapshots
from chalicelib.services.gpus.stop_texts import message_of
from chalicelib.services.jobs.interruption import interrupt
from tests.gateways.region import fleet_of, in_order
from tests.models.queueing import enqueue
from tests.services.fakes import Parts
from tests.services.reconcilers import Gpus, reconcile, reconciler_of
from tests.services.workers import SlowComfyUI, acquire_slot, slot_holders


def power_of(gpus: Gpus, parts: Parts) -> GpuPower:
    fleet = fleet_of(gpus, clock=parts.clock, queue=parts.queue)
    snapshots = QueueSnapshots(fleet.inventory, parts.budget, parts.clock, boots=True)
    return GpuPower(fleet, snapshots, in_order, parts.clock)


def stop(gpus: Gpus, parts: Parts, *, at_once: bool = False, for_seconds: int = 600) -> Stopped:
    return power_of(gpus, parts).stop(at_once=at_once, for_seconds=for_seconds)


def said(stopped: Stopped, parts: Parts) -> str:
    return message_of(stopped, now=parts.clock())


def take_back(parts: Parts, job_id: str) -> int:
    """Interrupt the jobs of an instance that gives out no more slots."""
    InstanceRecord("i-1").update([InstanceRecord.stop_requested_at.set(1)])
    record = InstanceRecord.read("i-1")
    return interrupt(record, waits_for="gpu_held", clock=parts.clock)


@pytest.fixture
def idle(gpus: Gpus, parts: Parts) -> Gpus:
    """One instance that is ready."""
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    return gpus


def test_after_a_hold_the_reconciler_starts_what_the_waiting_jobs_need(
    idle: Gpus, parts: Parts
) -> None:
    stop(idle, parts, for_seconds=170)
    enqueue("a", now=parts.clock())
    reconciler = reconciler_of(idle, parts)
    reconcile(reconciler, parts, minutes=3)
    assert (idle.stopped, idle.started) == (["i-1"], [])
    reconcile(reconciler, parts, minutes=1)
    assert idle.started == ["i-1"]


def test_an_instance_that_drains_stays_so_however_long_its_job_takes(
    idle: Gpus, parts: Parts
) -> None:
    acquire_slot("01J")
    stop(idle, parts, for_seconds=0)
    reconciler = reconciler_of(idle, parts)
    reconcile(reconciler, parts, minutes=14)
    assert not InstanceRecord("i-1").acquire_slot("another", now=parts.clock())
    assert idle.stopped == []
    InstanceRecord("i-1").release_slot("01J")
    reconcile(reconciler, parts, minutes=1)
    assert idle.stopped == ["i-1"]


def test_an_instance_that_boots_is_stopped_and_its_boot_has_not_failed(parts: Parts) -> None:
    gpus = Gpus("i-1")
    gpus.queues.clear()
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    stopped = stop(gpus, parts)
    assert gpus.stopped == ["i-1"]
    assert said(stopped, parts).startswith("ComfyUI stops: 1 instance; 0 jobs wait")
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    assert InstanceRecord.read("i-1").failed_boots == 0


def test_an_instance_that_starts_is_stopped_by_the_reconciler_once_it_can_be(
    parts: Parts,
) -> None:
    gpus = Gpus("i-1")
    gpus.states["i-1"] = "pending"
    gpus.queues.clear()
    InstanceRecord("i-1").started(now=parts.clock())
    assert "1 within two minutes" in said(stop(gpus, parts, for_seconds=0), parts)
    gpus.turn_on("i-1")
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    assert gpus.stopped == ["i-1"]


def test_a_start_whose_answer_was_lost_is_stopped_once_it_shows(parts: Parts) -> None:
    gpus = Gpus("i-1")
    gpus.turn_off("i-1")
    InstanceRecord("i-1").started(now=parts.clock())
    stop(gpus, parts)
    gpus.turn_on("i-1")
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    assert gpus.stopped == ["i-1"]


def test_an_instance_that_ec2_refuses_to_stop_is_stopped_by_the_reconciler(
    idle: Gpus, parts: Parts
) -> None:
    idle.stubborn = {"i-1"}
    assert "1 within two minutes" in said(stop(idle, parts, for_seconds=0), parts)
    idle.stubborn.clear()
    parts.clock.advance(100)
    reconcile(reconciler_of(idle, parts), parts, minutes=1)
    assert idle.stopped == ["i-1"]


@pytest.mark.parametrize("times", [1, 2])
def test_the_seconds_until_a_stop_are_booked_once(idle: Gpus, parts: Parts, times: int) -> None:
    acquire_slot("01J")
    parts.clock.advance(40)
    for _ in range(times):
        stop(idle, parts)
    InstanceRecord("i-1").release_slot("01J")
    parts.clock.advance(7)
    stop(idle, parts)
    reconcile(reconciler_of(idle, parts), parts, minutes=2)
    [day] = DayUsage.of([date_of(parts.clock())]).values()
    booked = day.booting_seconds + day.busy_seconds + day.idle_seconds
    assert idle.stopped == ["i-1"]
    assert booked == 60 + 40 + 7


def test_while_ec2_does_not_answer_a_hold_is_written_and_the_reconciler_stops_later(
    idle: Gpus, parts: Parts
) -> None:
    idle.is_down = True
    parts.clock.advance(200)
    with pytest.raises(FleetUnreachable):
        stop(idle, parts)
    idle.is_down = False
    parts.clock.advance(60)
    reconcile(reconciler_of(idle, parts), parts, minutes=1)
    assert idle.stopped == ["i-1"]


def test_a_start_of_what_is_being_stopped_says_so_and_ends_the_hold(
    idle: Gpus, parts: Parts
) -> None:
    stop(idle, parts)
    idle.states["i-1"] = "stopping"
    with pytest.raises(Exception, match="still stopping"):
        power_of(idle, parts).start(None)
    assert not StartSeries.read(now=parts.clock()).is_held(parts.clock())
    assert ("start", 0) in parts.queue.take()


def test_a_start_right_after_a_start_that_was_stopped_has_to_be_repeated(
    idle: Gpus, parts: Parts
) -> None:
    now = parts.clock()
    series = StartSeries.read(now=now)
    assert series.claim(now=now, until=now + 30)
    series.succeed(until=now + 10)  # as of the start of the instance that is on
    stop(idle, parts)
    with pytest.raises(Exception, match="still stopping"):
        power_of(idle, parts).start(None)
    assert idle.started == []
    parts.clock.advance(10)
    power_of(idle, parts).start(None)
    assert idle.started == ["i-1"]


def test_what_a_reconciler_marks_while_a_start_ends_the_hold_serves_on(
    idle: Gpus, parts: Parts
) -> None:
    StartSeries().hold(until=parts.clock() + 600)
    reconciler = reconciler_of(idle, parts)
    instances, power = idle.instances, power_of(idle, parts)

    def meanwhile() -> Any:
        idle.instances = instances  # type: ignore[method-assign]
        power.start(None)
        return instances()

    idle.instances = meanwhile  # type: ignore[method-assign]
    reconcile(reconciler, parts, minutes=1)
    assert idle.stopped == []


def test_a_job_that_is_stopped_often_has_as_many_attempts_left_as_before(aws: None) -> None:
    comfyui = SlowComfyUI()
    parts = Parts(comfyui)
    [job] = parts.submit(wait_seconds=0)
    for number in range(1, 13):
        parts.work(job.id)
        assert slot_holders() == {job.id}
        assert take_back(parts, job.id) == 1
        assert Job.find(job.id).end_reason == GPU_STOPPED
        InstanceRecord("i-1").update([InstanceRecord.stop_requested_at.remove()])
        comfyui.known.pop(attempt_id(job.id, number))
    comfyui.ends.clear()
    parts.work(job.id)
    comfyui.end(job.id, 13)
    parts.clock.advance(60)
    found = parts.work(job.id)
    assert (found.status, len(found.attempts), len(found.images)) == ("succeeded", 13, 1)


def test_a_job_that_is_put_back_comes_before_those_that_waited_behind_it(parts: Parts) -> None:
    parts.ec2.comfyuis["i-1"] = SlowComfyUI()
    first, *others = (parts.submit(wait_seconds=0)[0].id for _ in range(3))
    parts.work(first)
    take_back(parts, first)
    assert [each.id for each in queue.first(5)] == [first, *others]
    assert Job.find(first).due_at == Job.find(first).deadline_at


def test_the_seconds_of_a_stopped_execution_are_noted_once(parts: Parts) -> None:
    parts.ec2.comfyuis["i-1"] = SlowComfyUI()
    [job] = parts.submit(wait_seconds=0)
    parts.work(job.id)
    parts.clock.advance(7)
    for _ in range(2):
        take_back(parts, job.id)
    assert Job.find(job.id).gpu_seconds == 7


def test_a_driver_of_a_job_that_was_put_back_changes_nothing_more(parts: Parts) -> None:
    comfyui = parts.ec2.comfyuis["i-1"]
    [job] = parts.submit(wait_seconds=0)
    comfyui.on_submit = lambda: take_back(parts, job.id)
    found = parts.work(job.id)
    assert (found.status, found.images, found.end_reason) == ("queued", [], GPU_STOPPED)
    assert found.is_queued
    assert slot_holders() == set()


def test_a_caller_does_not_wait_while_the_gpus_are_held(parts: Parts) -> None:
    parts.ec2.turn_off()
    StartSeries().hold(until=parts.clock() + 600)
    [job] = parts.submit(wait_seconds=25)
    began_at = parts.clock()
    parts.inline_driver.drive([job], until=began_at + 25)
    assert parts.clock() == began_at
    assert job.status_reason.startswith("the GPU is stopped by an administrator until")
    assert (job.status, job.waits_for) == ("queued", "gpu_held")

"""Starting GPUs: one start for each need, as a type that EC2 has capacity for."""

import logging
from contextlib import suppress
from threading import Thread

import pytest

from chalicelib.errors import GpuNotReady, NoCapacity, StartFailed
from chalicelib.models.fleet import boots
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs.indexes import QUEUE
from chalicelib.models.jobs.job import Job
from tests.gateways.region import Region, acquire, fleet_of

pytestmark = pytest.mark.usefixtures("aws")

TYPES = ("g6.xlarge", "g5.xlarge", "g4dn.xlarge")


def enqueue(count: int) -> None:
    for number in range(count):
        known = {"parameters": {}, "queue": QUEUE, "sort_key": f"{number:03d}", "due_at": 0}
        Job.new(f"{number:026d}", now=0, **known).save()


def ask_for_gpu(region: Region, **how: object) -> GpuNotReady:
    with pytest.raises(GpuNotReady) as wait:
        acquire(fleet_of(region, **how))  # type: ignore[arg-type]
    return wait.value


def test_concurrent_requests_for_a_gpu_start_one_instance() -> None:
    region = Region("stopped", "stopped", "stopped")
    threads = [Thread(target=lambda: ask_for_gpu(region)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(region.started) == 1


def test_another_instance_is_started_when_ec2_has_no_capacity_for_the_first() -> None:
    region = Region("stopped", "stopped")
    region.types["i-0"], region.scarce = "g6.xlarge", {"g6.xlarge"}
    assert "starting" in str(ask_for_gpu(region))
    assert region.started == ["i-0", "i-1"]
    assert region.states == {"i-0": "stopped", "i-1": "pending"}


def test_every_instance_is_tried_as_the_preferred_type_before_the_next_type() -> None:
    region = Region("stopped", "stopped")
    region.scarce = {"g6.xlarge"}
    ask_for_gpu(region, types=TYPES)
    assert region.started == ["i-0", "i-1", "i-0"]
    assert region.types["i-0"] == "g5.xlarge"


def test_an_instance_returns_to_the_preferred_type_at_its_next_start() -> None:
    region = Region("stopped")
    region.types["i-0"] = "g4dn.xlarge"
    ask_for_gpu(region, types=TYPES)
    assert region.types["i-0"] == "g6.xlarge"


def test_without_a_list_of_types_an_instance_keeps_its_type() -> None:
    region = Region("stopped")
    region.types["i-0"] = "p3.2xlarge"
    ask_for_gpu(region)
    assert (region.types["i-0"], region.states["i-0"]) == ("p3.2xlarge", "pending")


def test_without_capacity_the_reason_says_how_often_ec2_was_asked_and_when_next() -> None:
    region = Region("stopped")
    region.scarce = set(TYPES)
    first = ask_for_gpu(region, types=TYPES)
    assert str(first) == (
        "waiting for GPU capacity: EC2 has no capacity right now; tried once, next at 00:16:50 UTC"
    )
    assert first.retry_seconds == 11
    assert len(region.started) == len(TYPES)
    region.now += 11
    assert "tried 2 times" in str(ask_for_gpu(region, types=TYPES))
    assert len(region.started) == 2 * len(TYPES)


def test_ec2_is_not_asked_again_before_the_pause_is_over() -> None:
    region = Region("stopped")
    region.scarce = {"g5.xlarge"}
    for _ in range(9):
        assert "waiting for GPU capacity" in str(ask_for_gpu(region))
        region.now += 1
    assert len(region.started) == 1


def test_pauses_between_tries_double_up_to_a_limit() -> None:
    region = Region("stopped")
    region.scarce = {"g5.xlarge"}
    pauses = []
    for _ in range(8):
        pauses.append(ask_for_gpu(region).retry_seconds - 1)
        region.now += pauses[-1] + 1
    assert pauses == [10, 20, 40, 80, 150, 150, 150, 150]


def test_a_start_resets_the_pauses_between_tries() -> None:
    region = Region("stopped")
    region.scarce = {"g5.xlarge"}
    ask_for_gpu(region)
    region.now += 11
    ask_for_gpu(region)
    region.scarce, region.now = set(), region.now + 21
    ask_for_gpu(region)
    region.states["i-0"], region.scarce, region.now = "stopped", {"g5.xlarge"}, region.now + 60
    assert "tried once" in str(ask_for_gpu(region))


def test_a_start_that_ec2_refuses_names_the_error_of_ec2() -> None:
    region = Region("stopped")
    region.refusal = StartFailed("EC2 refused to start the GPU instance (UnauthorizedOperation)")
    assert "UnauthorizedOperation" in str(ask_for_gpu(region))


def test_a_manual_start_in_a_pause_reports_no_capacity_and_does_not_ask_ec2() -> None:
    region = Region("stopped")
    region.scarce = {"g5.xlarge"}
    fleet = fleet_of(region)
    for _ in range(3):
        with pytest.raises(NoCapacity, match="EC2 has no capacity right now"):
            fleet.start(None)
        region.now += 1
    assert len(region.started) == 1


def test_a_backlog_starts_the_gpus_that_it_needs_up_to_the_limit() -> None:
    enqueue(60)  # 600 s at the default of 10 s an image; each GPU may take 180 s
    region = Region(*["stopped"] * 5)
    ask_for_gpu(region, fleet_max=5)
    assert [*region.states.values()].count("pending") == 4
    region = Region(*["stopped"] * 5)
    region.now = 2000
    ask_for_gpu(region, fleet_max=2)
    assert [*region.states.values()].count("pending") == 2


def test_instances_that_are_starting_count_as_gpus_for_the_backlog() -> None:
    enqueue(60)
    region = Region("pending", "running", "stopped", "stopped", "stopped")
    ask_for_gpu(region, fleet_max=4)
    assert region.started == ["i-2", "i-3"]


def test_an_instance_that_is_unreachable_for_less_than_a_minute_is_not_replaced() -> None:
    region = Region("running", "stopped")
    region.queues["i-0"] = 0
    fleet = fleet_of(region)
    acquire(fleet)
    region.queues.clear()
    for _ in range(5):  # it may be loading a checkpoint
        region.now += 10
        with pytest.raises(GpuNotReady):
            acquire(fleet)
    assert region.started == []


def test_an_instance_that_is_unreachable_for_a_minute_is_replaced_if_two_may_be_on() -> None:
    region = Region("running", "stopped")
    region.queues["i-0"] = 0
    fleet = fleet_of(region, fleet_max=2)
    acquire(fleet)
    region.queues.clear()
    for _ in range(8):
        region.now += 10
        with pytest.raises(GpuNotReady):
            acquire(fleet)
    assert region.started == ["i-1"]


def test_an_instance_that_ec2_still_describes_as_stopped_is_not_started_again() -> None:
    region = Region("stopped", "stopped")
    ask_for_gpu(region)
    region.states["i-0"] = "stopped"  # as EC2 may return for some seconds
    region.now += 9
    assert "starting" in str(ask_for_gpu(region))
    assert region.started == ["i-0"]


def test_a_queue_before_a_busy_gpu_starts_one_more_gpu() -> None:
    enqueue(60)
    region = Region("running", "stopped", "stopped")
    region.queues["i-0"] = 3
    fleet = fleet_of(region, fleet_max=2)
    fleet.inventory.observe()
    fleet.scale()
    for _ in range(4):
        region.now += 1
        with suppress(GpuNotReady):
            fleet.scale()
    assert region.started == ["i-1"]


def test_an_instance_whose_type_ec2_does_not_change_is_started_as_it_is() -> None:
    region = Region("stopped")
    region.fixed = {"i-0"}
    ask_for_gpu(region, types=TYPES)
    assert (region.started, region.types["i-0"]) == (["i-0"], "g5.xlarge")


def test_an_instance_that_is_still_stopping_later_starts_as_the_preferred_type() -> None:
    region = Region("stopping")
    fleet = fleet_of(region, types=TYPES)
    for _ in range(3):
        with pytest.raises(GpuNotReady):
            acquire(fleet)
        region.now += 3
    region.states["i-0"] = "stopped"
    with pytest.raises(GpuNotReady):
        acquire(fleet)
    assert (region.states["i-0"], region.types["i-0"]) == ("pending", TYPES[0])


def test_a_start_whose_answer_is_lost_starts_no_second_gpu() -> None:
    region = Region("stopped", "stopped")
    region.loses_answers = True
    fleet = fleet_of(region)
    for _ in range(3):
        with pytest.raises(GpuNotReady, match="starting"):
            acquire(fleet)
        region.now += 11
    assert region.started == ["i-0"]


def test_another_instance_is_started_when_ec2_stops_the_first_as_it_boots() -> None:
    region = Region("stopped", "stopped")
    fleet = fleet_of(region)
    for _ in range(3):
        with pytest.raises(GpuNotReady):
            acquire(fleet)
        region.states["i-0"] = "stopped"  # EC2 accepted the start and stopped the instance
        region.now += 20
    assert region.started[:2] == ["i-0", "i-0"]
    assert "i-1" in region.started


def test_an_instance_that_ec2_stops_in_three_boots_is_not_started_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "darkroom")
    region = Region("stopped")
    fleet = fleet_of(region)
    for _ in range(20):
        with pytest.raises(GpuNotReady):
            acquire(fleet)
        region.states["i-0"] = "stopped"
        region.now += 20
    assert len(region.started) == 3
    failed = [each.reason for each in caplog.records if hasattr(each, "FailedBoots")]
    assert failed == ["it went off while it booted"] * 3
    assert InstanceRecord.read("i-0").unhealthy_reason == failed[-1]


def test_capacity_refusals_from_days_ago_do_not_count() -> None:
    region = Region("stopped")
    region.scarce = {"g5.xlarge"}
    fleet = fleet_of(region)
    for _ in range(6):
        with pytest.raises(GpuNotReady):
            acquire(fleet)
        region.now += 200
    region.now += 3 * 86_400
    assert fleet.inventory.observe()[0].state == "stopped"
    with pytest.raises(GpuNotReady, match="tried once") as wait:
        acquire(fleet)
    assert wait.value.retry_seconds == 11


def test_a_second_start_is_no_error_while_ec2_still_describes_the_instance_as_stopped() -> None:
    region = Region("stopped")
    fleet = fleet_of(region)
    fleet.start(None)
    region.states["i-0"], region.now = "stopped", region.now + 3
    fleet.start(None)
    assert region.started == ["i-0"]


def test_a_function_with_stale_instance_states_starts_no_second_gpu() -> None:
    region = Region("stopped", "stopped")
    slow, quick = fleet_of(region), fleet_of(region)
    slow.inventory.observe()  # for some seconds it keeps that all instances are off
    with pytest.raises(GpuNotReady):
        acquire(quick)
    region.now += 4
    StartSeries().update([StartSeries.next_at.set(region.now)])
    slow.scale(least_jobs=1)
    assert region.started == ["i-0"]


def test_a_manual_start_fails_if_all_instances_are_unhealthy() -> None:
    region = Region("stopped")
    for start in range(3):
        InstanceRecord("i-0").started(now=start)
        boots.failed(InstanceRecord.read("i-0"), "broken", now=region.now)
    with pytest.raises(StartFailed, match="unhealthy"):
        fleet_of(region).start(None)
    assert region.started == []

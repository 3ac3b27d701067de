"""Which instance serves now, and what is done when none does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import config
from chalicelib.errors import (
    ComfyUIUnavailable,
    ComfyUIUnreachable,
    FleetUnreachable,
    GpuNotReady,
    StartFailed,
)
from chalicelib.models.fleet import followers
from chalicelib.models.fleet.instance import InstanceRecord
from tests.conftest import empty_aws
from tests.gateways.region import Region, acquire, fleet_of

pytestmark = pytest.mark.usefixtures("aws")


@given(jobs=st.lists(st.none() | st.integers(0, config.slots_per_gpu), min_size=1, max_size=6))
def test_the_instance_with_the_most_free_slots_that_answers_serves_first(
    jobs: list[int | None],
) -> None:
    with empty_aws():
        region = Region(*["running"] * len(jobs))
        region.queues = {f"i-{n}": 0 for n, count in enumerate(jobs) if count is not None}
        fleet = fleet_of(region)
        fleet.inventory.observe()
        for number, count in enumerate(jobs):
            for job in range(count or 0):
                InstanceRecord(f"i-{number}").acquire_slot(f"{number} {job}", now=region.now)
        free = [each.record.free_slots for each in fleet.inventory.serving()]
        assert (
            free == sorted(config.slots_per_gpu - each for each in jobs if each is not None)[::-1]
        )


def test_an_instance_that_has_a_follower_is_not_asked_by_others() -> None:
    region = Region("running", "running")
    region.queues |= {"i-0": 0, "i-1": 0}
    fleet = fleet_of(region)
    claimed = followers.claim(InstanceRecord("i-0"), "lease", now=region.now, until=region.now + 28)
    assert claimed
    fleet.inventory.observe()
    assert [each.instance.id for each in fleet.inventory.serving()] == ["i-1"]
    region.now += 30  # the follower has died
    fleet.inventory.observe()
    assert {each.instance.id for each in fleet.inventory.serving()} == {"i-0", "i-1"}


def test_a_view_of_the_fleet_asks_no_comfyui() -> None:
    region = Region("running")
    region.queues["i-0"] = 3
    fleet = fleet_of(region)
    assert [each.state for each in fleet.inventory.views()] == ["booting"]
    assert InstanceRecord.all() == []


def test_ec2_is_asked_for_instances_at_most_once_in_five_seconds() -> None:
    region = Region("running")
    region.queues["i-0"] = 0
    fleet = fleet_of(region)
    for _ in range(5):
        acquire(fleet)
        fleet.inventory.check()
        fleet.inventory.observe_server("i-0")
        region.now += 1
    assert region.describes == 1
    region.now += 0.1
    acquire(fleet)
    assert region.describes == 2


def test_a_stopped_instance_is_started_once_and_serves_later() -> None:
    region = Region("stopped")
    fleet = fleet_of(region)
    for _ in range(4):
        with pytest.raises(GpuNotReady) as wait:
            acquire(fleet)
        assert 0 < wait.value.retry_seconds <= 5
        region.now += 1
    assert region.started == ["i-0"]
    region.states["i-0"], region.queues["i-0"] = "running", 0
    region.now += 6
    assert acquire(fleet).instance.id == "i-0"
    region.states["i-0"] = "stopped"
    region.queues.clear()
    region.now += 6
    with pytest.raises(GpuNotReady):
        acquire(fleet)
    assert region.started == ["i-0", "i-0"]


def test_a_stopping_instance_is_started_when_it_has_stopped() -> None:
    region = Region("stopping")
    fleet = fleet_of(region)
    for _ in range(2):
        with pytest.raises(GpuNotReady):
            acquire(fleet)
        region.now += 2
    region.states["i-0"] = "stopped"
    with pytest.raises(GpuNotReady):
        acquire(fleet)
    assert region.states["i-0"] == "pending"


def test_a_stopped_instance_is_preferred_to_a_stopping_one() -> None:
    region = Region("stopping", "stopped")
    with pytest.raises(GpuNotReady):
        acquire(fleet_of(region))
    assert region.started == ["i-1"]


@pytest.mark.parametrize("states", [("pending",), ("running",), ("running", "stopped")])
def test_no_instance_is_started_while_another_one_boots(states: tuple[str, ...]) -> None:
    region = Region(*states)
    with pytest.raises(GpuNotReady):
        acquire(fleet_of(region))
    assert region.started == []


def test_an_instance_that_others_started_is_not_started_again() -> None:
    region = Region("stopped")
    fleet = fleet_of(region)
    assert fleet.inventory.serving() == []
    region.states["i-0"] = "pending"
    region.now += 1
    with pytest.raises(GpuNotReady):
        acquire(fleet)
    assert region.started == []


def test_an_instance_that_others_stopped_is_started_as_soon_as_ec2_says_so() -> None:
    region = Region("running")
    region.queues["i-0"] = 0
    fleet = fleet_of(region)
    acquire(fleet)
    region.states["i-0"] = "stopped"
    region.queues.clear()
    region.now += 6
    with pytest.raises(GpuNotReady):
        acquire(fleet)
    assert region.started == ["i-0"]


def test_an_instance_that_came_up_meanwhile_serves_at_once() -> None:
    region = Region("pending")
    fleet = fleet_of(region)
    assert fleet.inventory.serving() == []
    region.states["i-0"], region.queues["i-0"] = "running", 3
    region.now += 6
    assert acquire(fleet).instance.id == "i-0"


def test_a_start_that_ec2_refuses_is_reported_with_the_time_to_retry() -> None:
    region = Region("stopped")
    region.refusal = StartFailed("EC2 has no GPU capacity")
    with pytest.raises(GpuNotReady, match="EC2 has no GPU capacity") as wait:
        acquire(fleet_of(region))
    assert wait.value.retry_seconds >= 10


def test_the_state_of_an_instance_is_read_again_after_its_start() -> None:
    region = Region("stopped")
    fleet = fleet_of(region)
    fleet.start(None)
    region.states["i-0"], region.queues["i-0"] = "running", 0
    assert acquire(fleet).instance.id == "i-0"
    assert region.started == ["i-0"]


def test_an_instance_that_was_just_stopped_does_not_serve() -> None:
    region = Region("running")
    region.queues["i-0"] = 0
    fleet = fleet_of(region)
    fleet.stop(acquire(fleet).instance)
    assert region.stopped == ["i-0"]
    assert fleet.inventory.serving() == []
    assert fleet.inventory.observe_server("i-0") is None


def test_a_single_instance_can_be_observed() -> None:
    region = Region("running", "running", "stopped")
    region.queues |= {"i-1": 2, "i-2": 0}
    fleet = fleet_of(region)
    server = fleet.inventory.observe_server("i-1")
    assert server
    assert (server.instance.id, server.queue_length) == ("i-1", 2)
    assert [fleet.inventory.observe_server(id_) for id_ in ("i-2", "i-9")] == [None, None]


def test_observing_a_running_instance_that_does_not_answer_fails() -> None:
    with pytest.raises(ComfyUIUnreachable):
        fleet_of(Region("running")).inventory.observe_server("i-0")


def test_an_instance_that_ec2_reclaims_gets_no_more_jobs_and_keeps_those_it_has() -> None:
    region = Region("running", "running")
    region.queues |= {"i-0": 0, "i-1": 1}
    fleet = fleet_of(region)
    assert acquire(fleet).record.acquire_slot("01J", now=region.now)
    fleet.reclaim("i-0")
    assert acquire(fleet).instance.id == "i-1"
    record = InstanceRecord.read("i-0")
    assert not record.acquire_slot("01K", now=region.now)
    assert record.acquire_slot("01J", now=region.now)
    assert fleet.inventory.observe_server("i-0") is not None
    assert [each.state for each in fleet.inventory.observe()] == ["draining", "busy"]


def test_a_reclaim_notice_for_an_instance_of_another_fleet_is_ignored() -> None:
    fleet = fleet_of(Region("running"))
    fleet.reclaim("i-of-somebody-else")
    assert InstanceRecord.all() == []


def test_an_instance_keeps_serving_for_two_minutes_while_ec2_does_not_answer() -> None:
    region = Region("running")
    region.queues["i-0"] = 0
    fleet = fleet_of(region)
    acquire(fleet)
    region.is_down = True
    for _ in range(10):
        region.now += 10
        assert acquire(fleet).instance.id == "i-0"
    region.now += 60
    with pytest.raises(FleetUnreachable):
        acquire(fleet)


def test_waiting_for_a_booting_instance_seldom_asks_ec2() -> None:
    region = Region("pending")
    fleet = fleet_of(region)
    for _ in range(20):
        with pytest.raises(GpuNotReady):
            acquire(fleet)
        region.now += 0.5
    assert region.describes <= 6


def test_a_check_passes_while_ec2_does_not_answer() -> None:
    region = Region("stopped")
    region.is_down = True
    fleet_of(region).inventory.check()
    with pytest.raises(FleetUnreachable):
        fleet_of(region).inventory.members()


def test_ec2_that_does_not_answer_is_not_asked_again_at_once() -> None:
    region = Region("stopped")
    region.is_down = True
    fleet = fleet_of(region)
    for _ in range(3):
        with pytest.raises(FleetUnreachable):
            fleet.inventory.members()
    assert region.asked == 1
    region.is_down = False
    region.now += 6
    assert fleet.inventory.members()


def test_a_check_finds_an_instance_that_was_just_created() -> None:
    region = Region()
    fleet = fleet_of(region)
    with pytest.raises(ComfyUIUnavailable):
        fleet.inventory.check()
    region.states["i-0"] = "stopped"
    region.types["i-0"] = "g5.xlarge"
    region.now += 6
    fleet.inventory.check()


def test_an_old_answer_of_ec2_is_used_for_two_minutes_after_ec2_stopped_answering() -> None:
    region = Region("stopped")
    fleet = fleet_of(region)
    known = fleet.inventory.members()
    region.is_down = True
    region.now += 900
    assert fleet.inventory.members() == known
    region.now += 110
    assert fleet.inventory.members() == known
    region.now += 20
    with pytest.raises(FleetUnreachable):
        fleet.inventory.members()


def test_checks_ask_ec2_once_in_ten_minutes() -> None:
    region = Region("stopped")
    fleet = fleet_of(region)
    for _ in range(10):
        fleet.inventory.check()
        region.now += 59
    assert region.asked == 1
    region.now += 60
    fleet.inventory.check()
    assert region.asked == 2

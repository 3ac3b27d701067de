"""An instance serves when its ComfyUI answers and the warm-up is over."""

import pytest

from chalicelib.errors import GpuNotReady
from chalicelib.gateways.comfyui.errors import Failure
from chalicelib.gateways.comfyui.state import Finished
from chalicelib.models.fleet import boots
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.services.gpus.fleet import Fleet
from tests.gateways.region import Region, acquire, fleet_of

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def region() -> Region:
    region = Region("running")
    region.queues["i-0"] = 0
    return region


@pytest.fixture
def fleet(region: Region) -> Fleet:
    return fleet_of(region, checkpoint="a.safetensors")


def state(fleet: Fleet) -> str:
    [seen] = fleet.inventory.observe()
    return seen.state


def test_a_gpu_that_answers_warms_up_before_it_serves(fleet: Fleet, region: Region) -> None:
    assert state(fleet) == "booting"
    with pytest.raises(GpuNotReady, match="booting"):
        acquire(fleet)
    region.warm_ups["i-0"] = Finished({})
    assert acquire(fleet).instance.id == "i-0"
    assert state(fleet) == "ready"


def test_an_instance_warms_up_once(fleet: Fleet, region: Region) -> None:
    region.warm_ups["i-0"] = Finished({})
    acquire(fleet)
    region.warm_ups.clear()
    acquire(fleet)
    assert region.warm_ups == {}


def test_an_instance_warms_up_again_after_it_was_off(fleet: Fleet, region: Region) -> None:
    region.warm_ups["i-0"] = Finished({})
    acquire(fleet)
    region.warm_ups.clear()
    boots.went_off(InstanceRecord.read("i-0"), now=region.now)
    assert state(fleet) == "booting"
    assert "i-0" in region.warm_ups


def test_without_a_checkpoint_an_instance_serves_as_soon_as_it_answers(region: Region) -> None:
    assert acquire(fleet_of(region)).instance.id == "i-0"
    assert region.warm_ups == {}


def test_a_comfyui_that_darkroom_cannot_start_is_not_warmed_up() -> None:
    region = Region("running", can_be_started=False)
    region.queues["i-0"] = 0
    assert acquire(fleet_of(region, checkpoint="a.safetensors")).instance.id == "i-0"
    assert region.warm_ups == {}


def test_an_instance_serves_though_comfyui_rejects_the_warm_up(
    fleet: Fleet, region: Region
) -> None:
    region.rejects_warm_up = True
    assert acquire(fleet).instance.id == "i-0"


def test_a_gpu_that_fails_to_warm_up_does_not_serve_and_says_why(
    fleet: Fleet, region: Region
) -> None:
    region.warm_ups["i-0"] = Finished({}, Failure("gpu_failed", "CUDA error"))
    assert state(fleet) == "unhealthy"
    with pytest.raises(GpuNotReady, match="the warm-up failed: CUDA error"):
        acquire(fleet)


def test_an_interrupted_warm_up_counts_as_done(fleet: Fleet, region: Region) -> None:
    region.warm_ups["i-0"] = Finished({}, Failure("interrupted", "interrupted"))
    assert acquire(fleet).instance.id == "i-0"


def test_the_boot_time_is_recorded(region: Region) -> None:
    region.states["i-0"] = "stopped"
    fleet = fleet_of(region)
    fleet.start(None)
    region.states["i-0"], region.now = "running", region.now + 73
    acquire(fleet)
    assert InstanceRecord.read("i-0").boot_seconds == 73


def test_reading_the_state_of_the_fleet_changes_nothing(fleet: Fleet, region: Region) -> None:
    """Callers may request the status at any time."""
    before = InstanceRecord.read("i-0").serialize()
    for queue in ({"i-0": 0}, {}, {"i-0": 1}):
        region.queues = dict(queue)
        region.now += 60
        assert [view.state for view in fleet.inventory.views()] == ["booting"]
    assert (region.warm_ups, InstanceRecord.read("i-0").serialize()) == ({}, before)

"""Starts whose outcome is unknown, and those that EC2 throttles."""

import pytest

from chalicelib.errors import GpuNotReady, StartUnknown, Throttled
from chalicelib.models.fleet.instance import InstanceRecord
from tests.gateways.region import Region, acquire, fleet_of

pytestmark = pytest.mark.usefixtures("aws")


def ask_for_gpu(region: Region) -> GpuNotReady:
    with pytest.raises(GpuNotReady) as wait:
        acquire(fleet_of(region, types=("g6.xlarge", "g5.xlarge")))
    return wait.value


def test_after_an_unknown_outcome_no_other_instance_is_started_though_ec2_is_slow() -> None:
    region = Region("stopped", "stopped")
    region.loses_answers = True
    ask_for_gpu(region)
    region.states["i-0"] = "stopped"  # as EC2 may describe it for some seconds
    for _ in range(4):
        region.now += 3
        ask_for_gpu(region)
    region.states["i-0"] = "pending"
    region.now += 3
    ask_for_gpu(region)
    assert region.started == ["i-0"]


def test_an_instance_that_did_not_start_is_asked_for_again_and_has_no_failed_boot() -> None:
    region = Region("stopped", "stopped")
    region.launched["i-0"] = region.now - 86_400
    region.refusal = StartUnknown("EC2 did not say whether it starts the GPU instance")
    for _ in range(5):
        ask_for_gpu(region)
        region.now += 20
    assert region.started == ["i-0"] * 5
    assert InstanceRecord.read("i-0").failed_boots == 0
    region.refusal = None
    ask_for_gpu(region)
    assert region.states == {"i-0": "pending", "i-1": "stopped"}


def test_a_throttled_start_ends_the_round_and_is_retried() -> None:
    region = Region("stopped", "stopped")
    region.refusal = Throttled("EC2 throttles requests, and is asked again")
    assert "EC2 throttles requests, and is asked again; tried once" in str(ask_for_gpu(region))
    assert region.started == ["i-0"]
    region.refusal, region.now = None, region.now + 11
    ask_for_gpu(region)
    assert region.states["i-0"] == "pending"

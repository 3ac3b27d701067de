"""A start without a working GPU ends at once, powers off and says why."""

import json

import pytest

from tests.infra.instance import POWER_OFF, Instance


@pytest.mark.parametrize("part", ["nvidia-smi", "check_gpu.py"])
def test_a_start_without_a_working_driver_powers_off(ready: Instance, part: str) -> None:
    said = ready.start(BROKEN=part)
    assert ready.code != 0
    assert said.count("The GPU does not work") == 3
    assert ready.called(POWER_OFF)
    assert not ready.called("start --no-block comfyui")


def test_the_reason_is_reported_before_the_power_off(ready: Instance) -> None:
    ready.start(BROKEN="nvidia-smi")
    made = json.loads((ready.root / "run/darkroom-boot/report.json").read_text())
    assert made["failed"] == "driver"
    assert ready.position("aws s3 cp .*boots/i-1.json") < ready.position(POWER_OFF)


def test_an_instance_that_is_kept_stays_on_without_a_driver(ready: Instance) -> None:
    (ready.root / "etc/darkroom/keep").touch()
    said = ready.start(BROKEN="nvidia-smi")
    assert "Kept on, although the start failed: driver" in said
    assert not ready.called(POWER_OFF)


def test_without_nvidia_modprobe_the_module_is_loaded_and_its_device_made(ready: Instance) -> None:
    ready.start(BROKEN="nvidia-modprobe")
    assert ready.code == 0
    assert ready.position("modprobe nvidia-uvm") < ready.position("check_gpu.py")
    assert ready.called("mknod -m 666 .*/dev/nvidia-uvm c 511 0")


def test_the_device_is_tested_as_comfyuis_user_before_comfyui_starts(ready: Instance) -> None:
    tested = ready.position("runuser -u comfyui -- .*/opt/pytorch/bin/python .*/check_gpu.py")
    assert tested < ready.position("start --no-block comfyui")

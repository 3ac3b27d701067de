"""An instance works although the cloud is slow, and a start that cannot work ends."""

from tests.machine.conftest import Rig
from tests.machine.contents import MODELS

NEW = "new.safetensors"
FETCHED = f"[[ -e /var/lib/comfyui/models/checkpoints/{NEW} ]]"


def want_new_checkpoint(rig: Rig) -> None:
    """Name another checkpoint in the settings."""
    location = rig.cloud.offer_checkpoint(NEW)
    rig.cloud.set(CHECKPOINTS=f"{rig.cloud.settings()['CHECKPOINTS']} {location}")


def test_a_slow_metadata_service_loses_neither_settings_nor_checkpoints(rig: Rig) -> None:
    want_new_checkpoint(rig)
    rig.cloud.set(SWITCH_IDLE_SECONDS="1234")
    rig.cloud.break_down("imds", "sleep 1.5")
    rig.start()
    assert "SWITCH_IDLE_SECONDS=1234" in rig.machine.run("cat /etc/darkroom/switch.env")
    rig.machine.wait_for(FETCHED, 120)


def test_checkpoints_are_fetched_once_s3_answers_again(rig: Rig) -> None:
    want_new_checkpoint(rig)
    rig.cloud.break_down(MODELS, "503")
    rig.start()
    failed = "journalctl -b -u darkroom-checkpoints | grep -q 'Not fetched'"
    rig.machine.wait_for(failed, 300)
    rig.cloud.mend(MODELS)
    rig.machine.wait_for(FETCHED, 600)


def test_a_start_without_a_network_ends_with_a_power_off(rig: Rig) -> None:
    rig.machine.switch_on(is_cable_in=False)
    rig.machine.wait_until_off(480)


def test_a_comfyui_that_does_not_start_is_reported_and_ends_with_a_power_off(rig: Rig) -> None:
    rig.machine.switch_on("broken-comfyui")
    rig.machine.wait_until_off(900)
    report = rig.cloud.report()
    assert report
    assert report["failed"] == "comfyui"


def test_a_start_without_a_driver_is_reported_and_ends_with_a_power_off(rig: Rig) -> None:
    rig.machine.switch_on("no-gpu")
    rig.machine.wait_until_off(600)
    report = rig.cloud.report()
    assert report
    assert report["failed"] == "driver"

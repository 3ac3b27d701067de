"""An instance sets itself up at its first start, and later starts are fast."""

import re

import pytest

from tests.infra.instance import POWER_OFF, Instance, names_in

COSTLY = re.compile(
    r"s3 (cp|sync)|git |venv|pip|chown|main\.py|systemd-sysusers|fetch-config|restart"
)


def test_the_first_start_sets_the_instance_up(ready: Instance) -> None:
    assert ready.is_ready
    assert ready.runs == "v1"
    assert names_in(ready.root / "opt/comfyui") == {"current", ready.settings["COMFYUI_COMMIT"]}


def test_the_switch_is_enabled_before_all_that_could_fail_or_hang(ready: Instance) -> None:
    switch = ready.position("enable --now darkroom-switch.timer")
    for later in (r"systemd-sysusers", r"git .*fetch", r"pip", r"s3 cp .*model", r"nvidia"):
        assert switch < ready.position(later)


def test_a_power_off_is_scheduled_until_the_switch_is_enabled(ready: Instance) -> None:
    scheduled = ready.position("systemd-run .*--unit=darkroom-guard --on-boot=45min")
    canceled = ready.position("systemctl stop darkroom-guard.timer")
    assert scheduled < ready.position("ssm get-parameter")
    assert ready.position("enable --now darkroom-switch.timer") < canceled


def test_a_scheduled_power_off_is_not_postponed(instance: Instance) -> None:
    instance.first_start(BROKEN="aws", GUARD_STATUS="0")
    assert instance.code != 0
    assert not instance.called("systemd-run")


def test_a_start_without_network_powers_off_and_asks_nobody(ready: Instance) -> None:
    (ready.root / "proc/net/route").write_text("Iface Destination Gateway\n")
    said = ready.start()
    assert "Powering off: no network" in said
    assert ready.called(POWER_OFF)
    assert not ready.called("aws|comfyui")


def test_an_instance_that_is_kept_stays_on_without_network(ready: Instance) -> None:
    (ready.root / "proc/net/route").write_text("Iface Destination Gateway\n")
    (ready.root / "etc/darkroom/keep").touch()
    ready.start()
    assert ready.code != 0
    assert not ready.called(POWER_OFF)


def test_an_instance_does_not_update_itself(ready: Instance) -> None:
    assert ready.called("systemctl mask .*apt-daily.timer .*unattended-upgrades.service")
    assert ready.called("snap refresh --hold")
    assert ready.called("apt-mark hold linux-image-aws")


def test_old_images_are_deleted_at_each_start(ready: Instance) -> None:
    ready.start()
    cleaned = ready.position("systemd-tmpfiles --clean darkroom.conf")
    assert cleaned < ready.position("start --no-block comfyui")


def test_comfyui_is_started_after_its_checkpoints(ready: Instance) -> None:
    assert ready.position("s3 cp .*model") < ready.position("start --no-block comfyui")


def test_a_later_start_repeats_no_slow_step(ready: Instance) -> None:
    said = ready.start()
    assert ready.is_ready, said
    assert not [call for call in ready.calls if COSTLY.search(call)]
    assert "Now:" not in said


def test_a_later_start_starts_comfyui_before_it_fetches_checkpoints(ready: Instance) -> None:
    ready.start()
    assert ready.called("start --no-block comfyui.service .*darkroom-checkpoints.service")
    assert not ready.called("s3 cp .*model")


@pytest.mark.parametrize("part", ["nvidia-modprobe", "fetch-config", "apt-mark", "s3 cp .*model"])
def test_comfyui_starts_although_an_optional_step_fails(instance: Instance, part: str) -> None:
    instance.first_start(BROKEN=part)
    assert instance.code == 0
    assert instance.called("start --no-block comfyui")


def test_a_start_without_comfyui_fails_and_the_next_one_succeeds(instance: Instance) -> None:
    said = instance.first_start(BROKEN="git .*fetch")
    assert instance.code != 0
    assert "There is no ComfyUI to start" in said
    assert not instance.called("start --no-block comfyui")
    instance.start()
    assert instance.is_ready

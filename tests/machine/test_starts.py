"""An instance is set up at its first start, and each start ends with ComfyUI."""

from tests.machine.conftest import ANSWERS, FirstStart, Rig
from tests.machine.waiting import wait_until


def test_the_first_start_installs_comfyui_which_answers_on_its_port(
    first_start: FirstStart,
) -> None:
    assert "Installing ComfyUI" in first_start.boot_log
    assert '"comfyui_version"' in first_start.stats


def test_a_later_start_installs_nothing_and_reaches_comfyui(running: Rig) -> None:
    boot_log = running.machine.run("journalctl --no-pager -b -o cat -u darkroom-boot")
    assert "Installing ComfyUI" not in boot_log
    assert "Now: " not in boot_log
    assert running.machine.run("systemctl is-active comfyui.service") == "active"


def test_comfyui_that_is_killed_comes_back(running: Rig) -> None:
    running.machine.run("systemctl kill --signal=KILL comfyui.service")
    running.machine.wait_for(f"! {ANSWERS}", 30)
    running.machine.wait_for(ANSWERS, 120)


def test_the_system_is_not_upgraded_by_itself(running: Rig) -> None:
    units = "apt-daily.timer apt-daily-upgrade.timer unattended-upgrades.service"
    _, states = running.machine.attempt(f"systemctl is-enabled {units}")
    assert states.split() == ["masked"] * 3


def test_a_start_is_reported_after_its_first_image(running: Rig) -> None:
    running.prompt(steps=1)
    wait_until(running.cloud.report, 120, "the start is reported")
    report = running.cloud.report()
    assert report
    assert {"system", "settings", "comfyui"} <= {*report["steps"]}
    assert report["failed"] is None

"""An instance can be kept on, and an invalid limit powers it off neither early nor never."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.switch import IDLE, LONGEST, SILENT, Answers, Switch

START = 60


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[Switch]:
    """An instance whose ComfyUI never has work."""
    with Answers().serve() as port:
        yield Switch(tmp_path, port)


def test_a_keep_file_keeps_an_instance_on(switch: Switch) -> None:
    switch.keep.touch()
    switch.look(START)
    assert switch.look(START + IDLE) == f"Kept on, despite no work for {IDLE} s\n"
    switch.look(LONGEST - 1, COMFYUI_PORT="1")
    assert switch.look(LONGEST) == f"Kept on, despite an uptime of {LONGEST} s\n"
    assert not switch.is_off
    switch.keep.unlink()
    switch.look(LONGEST)
    assert switch.is_off


def test_a_keep_file_keeps_a_silent_instance_on(switch: Switch) -> None:
    switch.keep.touch()
    switch.look(START, COMFYUI_PORT="1")
    said = switch.look(START + SILENT, COMFYUI_PORT="1")
    assert said == f"Kept on, despite no answer from ComfyUI for {SILENT} s\n"
    assert not switch.is_off


@pytest.mark.parametrize(("setting", "is_used"), [("20", True), ("21", False), ("600", False)])
def test_the_patience_has_a_maximum(switch: Switch, setting: str, is_used: bool) -> None:  # noqa: FBT001
    said = switch.look(START, SWITCH_PATIENCE_SECONDS=setting)
    assert (f"from 1 to 20 ('{setting}'): using 10" in said) != is_used


def test_the_idle_limit_can_be_set(switch: Switch) -> None:
    switch.look(START, SWITCH_IDLE_SECONDS="7")
    switch.look(START + 6, SWITCH_IDLE_SECONDS="7")
    assert not switch.is_off
    switch.look(START + 7, SWITCH_IDLE_SECONDS="7")
    assert switch.is_off


def test_a_power_off_that_fails_is_retried_at_the_next_look(switch: Switch) -> None:
    assert switch.run(LONGEST, POWEROFF="false").returncode == 1
    switch.look(LONGEST + 60)
    assert switch.is_off


@pytest.mark.parametrize("setting", ["soon", "0", "-5", "1.5", "", "9" * 30, "idle_limit"])
def test_an_invalid_idle_limit_is_replaced_by_the_default(setting: str, tmp_path: Path) -> None:
    with Answers().serve() as port:
        switch = Switch(tmp_path, port)
        switch.look(START, SWITCH_IDLE_SECONDS=setting)
        switch.look(START + IDLE - 1, SWITCH_IDLE_SECONDS=setting)
        assert not switch.is_off
        switch.look(START + IDLE, SWITCH_IDLE_SECONDS=setting)
        assert switch.is_off


@pytest.mark.parametrize("uptime", ["", "x", "-1"])
def test_without_an_uptime_the_unit_fails_and_the_instance_stays_on(
    uptime: str, tmp_path: Path
) -> None:
    switch = Switch(tmp_path, 1)
    done = switch.run(uptime)
    assert done.returncode == 1
    assert "No uptime in" in done.stdout
    assert not switch.is_off

"""The instance powers itself off when it has had no work for long, and only then."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.graphs import flat, picture
from tests.contracts.protocol import ComfyUI
from tests.infra.switch import IDLE, LONGEST, SILENT, Switch
from tests.local.stand_in import CHECKPOINT, MANY_STEPS, process, sampling, server

START = 60


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[ComfyUI]:
    with server(tmp_path / "comfyui") as comfyui:
        yield comfyui


@pytest.fixture
def switch(tmp_path: Path, comfyui: ComfyUI) -> Switch:
    return Switch(tmp_path, comfyui.url.rpartition(":")[2])


@pytest.fixture
def silent(tmp_path: Path) -> Switch:
    """An instance whose ComfyUI does not listen."""
    return Switch(tmp_path, 1)


def test_an_instance_that_is_idle_for_long_is_powered_off(switch: Switch) -> None:
    assert switch.look(START) == ""
    assert switch.look(START + IDLE - 1) == ""
    assert not switch.is_off
    assert switch.look(START + IDLE) == f"Powering off: no work for {IDLE} s\n"
    assert switch.is_off


def test_an_instance_that_works_stays_on(switch: Switch, comfyui: ComfyUI) -> None:
    with comfyui.listener() as listener:
        sampling(comfyui, listener)
        for uptime in range(START, LONGEST, IDLE * 5):
            switch.look(uptime)
    assert not switch.is_off


def test_idle_time_counts_from_the_last_work_seen(switch: Switch, comfyui: ComfyUI) -> None:
    with comfyui.listener() as listener:
        prompt_id = sampling(comfyui, listener)
        switch.look(START)
        comfyui.post("/queue", {"clear": True})
        comfyui.interrupt(prompt_id)
        listener.until_end(prompt_id)
    switch.look(2 * IDLE)  # The prompt that ended in between is work too.
    switch.look(3 * IDLE - 1)
    assert not switch.is_off
    switch.look(3 * IDLE)
    assert switch.is_off


def test_work_that_began_and_ended_between_two_looks_counts(
    switch: Switch, comfyui: ComfyUI
) -> None:
    for uptime in range(START, START + 4 * IDLE, IDLE - 1):
        comfyui.run(flat())
        switch.look(uptime)
        assert not switch.is_off
    switch.look(uptime + IDLE)
    assert switch.is_off


def test_a_graph_with_a_large_body_counts_as_work(switch: Switch, comfyui: ComfyUI) -> None:
    switch.look(START)
    graph = picture(CHECKPOINT)
    graph["6"]["inputs"]["text"] = "lake " * 200_000
    comfyui.run(graph)
    assert switch.look(START + IDLE) == ""
    assert switch.look(START + 2 * IDLE) == f"Powering off: no work for {IDLE} s\n"


def test_an_instance_whose_comfyui_is_silent_for_long_is_powered_off(silent: Switch) -> None:
    assert silent.look(START) == ""
    assert silent.look(START + SILENT - 1) == ""
    assert not silent.is_off
    reason = f"no answer from ComfyUI for {SILENT} s"
    assert silent.look(START + SILENT) == f"Powering off: {reason}\n"
    assert silent.is_off


def test_an_instance_whose_comfyui_is_silent_briefly_stays_on(
    silent: Switch, tmp_path: Path
) -> None:
    for uptime in (START, START + SILENT - 1, START + 2 * SILENT - 2):
        with server(tmp_path / "comfyui") as comfyui:
            comfyui.run(flat())
            silent.look(uptime, COMFYUI_PORT=comfyui.url.rpartition(":")[2])
        silent.look(uptime + 60)
    assert not silent.is_off


def test_a_slow_start_of_comfyui_does_not_use_up_the_idle_time(
    switch: Switch, tmp_path: Path
) -> None:
    switch.look(START, COMFYUI_PORT="1")
    switch.look(START + IDLE + 60)
    switch.look(START + IDLE + 120)
    assert not switch.is_off


def test_an_instance_whose_comfyui_was_killed_at_work_is_powered_off(tmp_path: Path) -> None:
    with process(tmp_path / "comfyui") as (comfyui, started):
        switch = Switch(tmp_path, comfyui.url.rpartition(":")[2])
        comfyui.submit(picture(CHECKPOINT, MANY_STEPS))
        switch.look(START)
        started.kill()
        started.wait()
    switch.look(START + SILENT - 1)
    assert not switch.is_off
    switch.look(START + SILENT)
    assert switch.is_off


def test_an_instance_that_works_is_powered_off_at_the_longest_uptime(
    switch: Switch, comfyui: ComfyUI
) -> None:
    with comfyui.listener() as listener:
        sampling(comfyui, listener)
        switch.look(LONGEST - 1)
        assert not switch.is_off
        said = switch.look(LONGEST)
    assert said == f"Powering off: an uptime of {LONGEST} s\n"
    assert switch.is_off


def test_a_reboot_restarts_the_idle_time(switch: Switch) -> None:
    switch.look(5 * IDLE)
    switch.look(START)
    switch.look(START + IDLE - 1)
    assert not switch.is_off
    switch.look(START + IDLE)
    assert switch.is_off

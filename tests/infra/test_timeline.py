"""Each start reports once how long its steps took, and why it failed if it did."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.infra.instance import POWER_OFF, Instance

# As ComfyUI 0.33.0 writes it, with colors.
LOG = """\
[   24.100000] python[812]: \x1b[32m[INFO]\x1b[0m ComfyUI version: 0.33.0
[   36.250000] python[812]: \x1b[32m[INFO]\x1b[0m To see the GUI go to: http://0.0.0.0:8188
[   38.250000] python[812]: \x1b[32m[INFO]\x1b[0m got prompt
[   39.000000] python[812]: \x1b[32m[INFO]\x1b[0m Requested to load SD1ClipModel
[   50.500000] python[812]: \x1b[32m[INFO]\x1b[0m Requested to load BaseModel
[   55.250000] python[812]: \x1b[32m[INFO]\x1b[0m Requested to load AutoencoderKL
[   58.500000] python[812]: \x1b[32m[INFO]\x1b[0m \x1b[32mPrompt executed in 20.25 seconds\x1b[0m
[   70.000000] python[812]: \x1b[32m[INFO]\x1b[0m got prompt
[   71.000000] python[812]: \x1b[32m[INFO]\x1b[0m Requested to load Flux
[   99.000000] python[812]: \x1b[32m[INFO]\x1b[0m Prompt executed in 29.00 seconds
"""
STEPS = """\
system 10.20
settings 12.00
system_set_up 12.50
driver 15.50
set_up 16.00
"""


@pytest.fixture
def booted(ready: Instance) -> Instance:
    """An instance whose boot has noted its steps."""
    (ready.root / "run/darkroom-boot/steps").write_text(STEPS)
    ready.calls_file.write_text("")
    return ready


def report(instance: Instance, log: str, folder: Path, **environment: str) -> dict[str, Any]:
    """Run the script with this journal; return what it put into the bucket."""
    (folder / "journal").write_text(log)
    instance.run("darkroom-timeline", JOURNAL=str(folder / "journal"), **environment)
    assert instance.code == 0
    uploads = [each for each in instance.calls if each.startswith("aws s3 cp")]
    assert len(uploads) == 1
    assert uploads[0].endswith("s3://images/boots/i-1.json")
    found: dict[str, Any] = json.loads(
        (instance.root / "run/darkroom-boot/report.json").read_text()
    )
    return found


def test_a_start_reports_the_seconds_of_its_steps(booted: Instance, tmp_path: Path) -> None:
    made = report(booted, LOG, tmp_path)
    assert (made["version"], made["failed"]) == (1, None)
    assert made["steps"] == {
        "kernel": 4.2,
        "system": 6.0,
        "settings": 1.8,
        "driver": 3.0,
        "set_up": 1.0,
        "comfyui": 20.25,
        "request": 2.0,
        "checkpoint": 17.0,
        "warm_up": 3.25,
    }
    assert not booted.called(POWER_OFF)


def test_the_time_of_the_kernels_start_is_reported(booted: Instance, tmp_path: Path) -> None:
    (booted.root / "proc/uptime").write_text("100000000.00 9.00\n")
    long_ago = report(booted, LOG, tmp_path)["kernel_started_at"]
    assert isinstance(long_ago, float)
    assert 1.6e9 < long_ago + 100_000_000 < 4e9


def test_a_comfyui_that_does_not_start_is_reported_and_ends_the_start(
    booted: Instance, tmp_path: Path
) -> None:
    made = report(booted, LOG[:100], tmp_path, COMFYUI_STATUS="0")
    assert made["failed"] == "comfyui"
    assert "comfyui" not in made["steps"]
    assert booted.position("aws s3 cp") < booted.position(POWER_OFF)


def test_an_instance_without_a_first_image_reports_what_it_knows(
    booted: Instance, tmp_path: Path
) -> None:
    (booted.root / "proc/uptime").write_text("2400.00 9.00\n")
    made = report(booted, "".join(LOG.splitlines(keepends=True)[:2]), tmp_path)
    assert made["failed"] is None
    assert made["steps"]["comfyui"] == 20.25
    assert not {"request", "checkpoint", "warm_up"} & {*made["steps"]}


def test_a_checkpoint_that_needs_no_load_is_no_step(booted: Instance, tmp_path: Path) -> None:
    lines = [each for each in LOG.splitlines(keepends=True)[:7] if "Requested" not in each]
    made = report(booted, "".join(lines), tmp_path)
    assert "checkpoint" not in made["steps"]


def test_a_start_whose_report_cannot_be_sent_goes_on(booted: Instance, tmp_path: Path) -> None:
    (tmp_path / "journal").write_text(LOG)
    said = booted.run("darkroom-timeline", JOURNAL=str(tmp_path / "journal"), BROKEN="aws s3 cp")
    assert booted.code == 0
    assert "Not reported" in said


def test_comfyui_and_its_timeline_are_started_together(ready: Instance) -> None:
    assert ready.called("start --no-block comfyui.service darkroom-timeline.service")


def test_the_steps_of_a_start_are_noted_in_their_order(ready: Instance) -> None:
    noted = (ready.root / "run/darkroom-boot/steps").read_text().split()[::2]
    assert noted == ["system", "settings", "system_set_up", "driver", "set_up"]

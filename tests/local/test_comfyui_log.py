"""The log lines of the stand-in, by which the boot report of an instance follows ComfyUI."""

import logging
import re
from pathlib import Path
from typing import IO

import pytest

from tests.contracts.graphs import picture
from tests.local.stand_in import CHECKPOINT, process, server

INFO = "\x1b[32m[INFO]\x1b[0m "


def lines_of_one_prompt(log: IO[str]) -> list[str]:
    lines: list[str] = []
    while not lines or "Prompt executed" not in lines[-1]:
        lines.append(log.readline().rstrip("\n"))
    return [line for line in lines if line]


def test_a_server_logs_its_start_and_its_address(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with server(tmp_path) as comfyui:
        messages = [record.getMessage() for record in caplog.records]
    assert messages[-2:] == ["Starting server\n", f"To see the GUI go to: {comfyui.url}"]


def test_a_prompt_is_logged_in_the_lines_of_comfyui(tmp_path: Path) -> None:
    with process(tmp_path) as (comfyui, started):
        assert started.stderr is not None
        comfyui.run(picture(CHECKPOINT))
        first, *loads, last = lines_of_one_prompt(started.stderr)
        comfyui.run(picture(CHECKPOINT))
        again = lines_of_one_prompt(started.stderr)
    assert first == f"{INFO}got prompt"
    models = ("SD1ClipModel", "BaseModel", "AutoencoderKL")
    assert loads == [f"{INFO}Requested to load {model}" for model in models]
    colored = re.escape(INFO) + r"\x1b\[32mPrompt executed in \d+\.\d\d seconds\x1b\[0m"
    assert re.fullmatch(colored, last)
    assert len(again) == 2, "the models are on the GPU already"


@pytest.mark.parametrize(("options", "has_graph"), [((), True), (("--disable-metadata",), False)])
def test_images_contain_their_graph_unless_metadata_is_disabled(
    tmp_path: Path, options: tuple[str, ...], *, has_graph: bool
) -> None:
    with process(tmp_path, *options) as (comfyui, _):
        image = comfyui.run(picture(CHECKPOINT)).images[0]
        content = comfyui.view(image).content
    assert (b"KSampler" in content) is has_graph
    assert (b"tEXt" in content) is has_graph

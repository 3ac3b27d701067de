"""Starts stand-in servers, in this process and in others."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.comfyui.background import serve
from tests.contracts.graphs import picture
from tests.contracts.protocol import ComfyUI, Listener

CHECKPOINT = "stand-in.safetensors"
MANY_STEPS = 10000
ROOT = Path(__file__).parents[2]


@contextmanager
def server(folder: Path, step_seconds: float = 0.001, load_seconds: float = 0) -> Iterator[ComfyUI]:
    with serve(folder, CHECKPOINT, step_seconds=step_seconds, load_seconds=load_seconds) as url:
        yield ComfyUI(url, CHECKPOINT)


@contextmanager
def process(folder: Path, *more: str) -> Iterator[tuple[ComfyUI, subprocess.Popen[str]]]:
    options = ["--port", "0", "--base-directory", str(folder), "--checkpoint", CHECKPOINT, *more]
    command = [sys.executable, "-m", "local.comfyui", *options]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        try:
            lines = iter(started.stderr.readline, "")
            url = next(line.split()[-1] for line in lines if "To see the GUI go to:" in line)
            yield ComfyUI(url, CHECKPOINT), started
        finally:
            started.kill()


def sampling(comfyui: ComfyUI, listener: Listener) -> str:
    prompt_id = comfyui.submit(picture(CHECKPOINT, MANY_STEPS), client_id=listener.client_id)
    listener.until("progress", prompt_id=prompt_id)
    return prompt_id

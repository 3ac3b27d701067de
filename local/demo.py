"""`make demo`: run all of Darkroom on this machine, and make an image with it."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from types import FrameType
from typing import NoReturn

import requests

from infra.package import package
from local.first_image import FirstImage, first_image
from local.stack.api import Api, new_key
from local.stack.deploy import STACK, deploy
from local.stack.emulator import Emulator
from local.stack.gpu import Gpu
from local.stack.processes import ROOT

DIRECTORY = ROOT / ".local"
PACKAGE = ROOT / "build" / "package"
CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"
BOOT_SECONDS = 4.0

_began = time.monotonic()


def say(text: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"[{time.monotonic() - _began:5.1f} s] {text}", flush=True)


def main() -> None:
    """Run until Ctrl-C, or with ONCE=1 until the first image."""
    # SIGINT too: a shell ignores it for programs that it starts in the background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    comfyui_url = _address(os.environ.get("COMFYUI_URL", ""))
    checkpoint = os.environ.get("CHECKPOINT") or _first_checkpoint(comfyui_url)
    with ExitStack() as running:
        running.enter_context(_alone())
        say("packaging the application as for AWS")
        package(PACKAGE)
        emulator = running.enter_context(_emulator())
        parameters = {"ComfyUIUrl": comfyui_url, "Checkpoint": checkpoint}
        outputs = deploy(emulator, PACKAGE, parameters)
        say(f"stack {STACK!r} deployed: API Gateway, Lambda, DynamoDB, SQS, S3, schedule")
        if not comfyui_url:
            comfyui_url = running.enter_context(_gpu(emulator, checkpoint))
        api = Api(outputs["ApiUrl"], _key(emulator))
        image = first_image(api, comfyui_url, DIRECTORY / "image.png", say)
        _record(api, comfyui_url, image)
        if not os.environ.get("ONCE"):
            _stay(emulator, api)


@contextmanager
def _alone() -> Iterator[None]:
    """Exit if another demo uses this checkout's data."""
    DIRECTORY.mkdir(exist_ok=True)
    with (DIRECTORY / "lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except OSError:
            raise SystemExit(
                "A demo already runs in this checkout; its addresses are in .local/demo.json"
            ) from None
        yield


def _address(comfyui_url: str) -> str:
    if comfyui_url and "://" not in comfyui_url:
        comfyui_url = f"http://{comfyui_url}"
    return comfyui_url.rstrip("/")


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _first_checkpoint(comfyui_url: str) -> str:
    """Return a real ComfyUI's first checkpoint; the stand-in accepts any name."""
    if not comfyui_url:
        return CHECKPOINT
    try:
        names = requests.get(f"{comfyui_url}/models/checkpoints", timeout=5).json()
    except requests.RequestException as error:
        sys.exit(
            f"No ComfyUI answers at {comfyui_url} ({type(error).__name__}): start it, or check"
            " COMFYUI_URL"
        )
    if not names:
        sys.exit(f"The ComfyUI at {comfyui_url} has no checkpoint: add one to models/checkpoints")
    return str(names[0])


@contextmanager
def _emulator() -> Iterator[Emulator]:
    emulator = Emulator(DIRECTORY / "emulator")
    say(f"AWS emulator at {emulator.url}, {'new' if emulator.is_fresh else 'with its data'}")
    try:
        yield emulator
    finally:
        say("stopping; the data stays in .local/")
        emulator.stop()


@contextmanager
def _gpu(emulator: Emulator, checkpoint: str) -> Iterator[str]:
    directory = DIRECTORY / "comfyui"
    gpu = Gpu(emulator.client("ec2"), fleet=STACK, checkpoint=checkpoint, directory=directory)
    gpu.power(boot_seconds=BOOT_SECONDS)
    say(f"GPU instance {gpu.id} is stopped; it runs a stand-in for ComfyUI")
    try:
        yield gpu.url
    finally:
        gpu.stop()


def _key(emulator: Emulator) -> str:
    key = new_key(emulator, "demo")
    say(f"API key created: {key}")
    return key


def _record(api: Api, comfyui_url: str, image: FirstImage) -> None:
    addresses = {
        "api_url": api.url,
        "api_key": api.key,
        "comfyui_url": comfyui_url,
        "image_path": str(image.path),
        "image_url": image.url,
    }
    (DIRECTORY / "demo.json").write_text(json.dumps(addresses, indent=2) + "\n")
    print(
        f"\n  image    {image.path}\n  link     {image.url}\n  API      {api.url}/api/images/…"
        f"\n  docs     {api.url}/api/images/docs"
        f"\n  key      {api.key}"
        f"\n  ComfyUI  {comfyui_url}\n  also in  {DIRECTORY / 'demo.json'}\n",
        flush=True,
    )


def _stay(emulator: Emulator, api: Api) -> None:
    """Keep everything running until Ctrl-C, or until the emulator ends."""
    curl = f"curl -s -H 'Authorization: Bearer {api.key}' {api.url}/api/images"
    schedule = {
        "name": "every minute",
        "expression": "rate(1 minute)",
        "prompts": ["a red fox at {time}", "a grey heron, run {run}"],
        "request": {"width": 256, "height": 256},
    }
    print(
        "Everything keeps running until Ctrl-C. Try:\n"
        f"""  {curl}/generate {_json({"prompt": "a red fox in fresh snow"})}\n\n"""
        "A schedule, and after a minute or two its runs:\n"
        f"""  {curl}/schedules {_json(schedule)}\n"""
        f"  {curl}/schedules\n",
        flush=True,
    )
    while emulator.is_alive:
        time.sleep(1)
    raise SystemExit("The AWS emulator ended unexpectedly; see .local/emulator/log.txt")


def _json(body: object) -> str:
    """Return curl's options that send a body."""
    return f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'"


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()

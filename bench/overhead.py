"""Time `POST /api/images/generate` to the PNG on a warm GPU, and a direct client of ComfyUI."""

import json
import os
import statistics
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
import websocket

from bench.at_once import at_once
from infra.package import package
from local.comfyui.background import serve
from local.stack.api import Api, new_key
from local.stack.deploy import STACK, deploy
from local.stack.emulator import ACCESS_KEY, REGION, SECRET_KEY, Emulator

ROUNDS = 40
CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"
BODY = {"prompt": "a lighthouse", "width": 512, "height": 512, "steps": 20}
JSON = {"Content-Type": "application/json"}

Paint = Callable[[], bytes]


def overhead(directory: Path) -> dict[str, Any]:
    """Return median milliseconds of each way to one image, interleaved; and of forty at once."""
    package(directory / "package")
    emulator = Emulator(directory / "emulator")
    try:
        with serve(directory / "comfyui", CHECKPOINT, step_seconds=0.02) as comfyui_url:
            parameters = {"Checkpoint": CHECKPOINT, "ComfyUIUrl": comfyui_url}
            outputs = deploy(emulator, directory / "package", parameters)
            _configure(emulator)
            api = Api(outputs["ApiUrl"], new_key(emulator, "bench"))
            return {"post_to_png": _measure(comfyui_url, api), "forty_at_once": at_once(api)}
    finally:
        emulator.stop()


def _configure(emulator: Emulator) -> None:
    """Give this process the environment that the deployed API function has."""
    functions = emulator.client("lambda").list_functions()["Functions"]
    [api] = [each for each in functions if f"{STACK}-APIHandler" in each["FunctionName"]]
    os.environ |= api["Environment"]["Variables"] | {
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "LOG_LEVEL": "ERROR",
    }


def _measure(comfyui_url: str, api: Api) -> dict[str, float]:
    in_process = _in_process(api)
    ways: dict[str, Paint] = {
        "direct_websocket_ms": lambda: direct(comfyui_url),
        "in_process_ms": in_process,
        "through_the_emulator_ms": lambda: _through(api),
        "lambda_floor_ms": lambda: api.call("GET", "/nothing").content,
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 3):
        for name, paint in ways.items():
            began = time.perf_counter()
            paint()
            if number >= 3:  # the first rounds create clients and connections
                taken[name].append((time.perf_counter() - began) * 1000)
    medians = {name: round(statistics.median(each), 1) for name, each in taken.items()}
    above = medians["in_process_ms"] - medians["direct_websocket_ms"]
    return {**medians, "in_process_above_direct_ms": round(above, 1)}


def direct(comfyui_url: str) -> bytes:
    """Make an image as ComfyUI's own example client does: websocket, history, view."""
    template = import_module("chalicelib.workflows").load("text_to_image")
    seed = uuid4().int % 2**64
    parameters = {"negative_prompt": "", "cfg_scale": 7.0, "sampler": "euler", "seed": seed}
    names = {"scheduler": "normal", "checkpoint": CHECKPOINT}
    graph = template.render({**BODY, **parameters, **names}, filename_prefix=f"d/{seed}/x")
    client_id = uuid4().hex
    socket = websocket.create_connection(
        f"{comfyui_url.replace('http', 'ws')}/ws?clientId={client_id}", suppress_origin=True
    )
    body = {"prompt": graph, "client_id": client_id}
    prompt_id = requests.post(f"{comfyui_url}/prompt", json=body, timeout=10).json()["prompt_id"]
    while True:
        message = json.loads(socket.recv())
        if message["type"] == "executing" and message["data"]["node"] is None:
            break
    socket.close()
    history = requests.get(f"{comfyui_url}/history/{prompt_id}", timeout=10).json()
    [image] = history[prompt_id]["outputs"]["9"]["images"]
    return requests.get(f"{comfyui_url}/view", params=image, timeout=10).content


def _in_process(api: Api) -> Paint:
    # Imported here, because the application reads the environment, which is set only now. Its log
    # goes to /dev/null, not among the figures.
    with redirect_stdout(Path(os.devnull).open("w")):
        app = import_module("app").app
    client = import_module("chalice.test").Client(app).http

    headers = {**JSON, **api.headers}

    def paint() -> bytes:
        answer = client.post("/api/images/generate", headers=headers, body=json.dumps(BODY))
        return requests.get(answer.json_body["image_url"], timeout=10).content

    return paint


def _through(api: Api) -> bytes:
    answer = api.call("POST", "/api/images/generate", json=BODY)
    return requests.get(answer.json()["image_url"], timeout=10).content

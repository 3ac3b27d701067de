"""Time `POST /api/images/generate` to the PNG on a warm GPU, and a direct client of ComfyUI.

In process the authorizer runs before each request, as it does behind API Gateway.
"""

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

from bench.delays import Delays
from bench.deployed import CHECKPOINT, Deployed
from bench.latencies import Latencies
from local.stack.api import Api

ROUNDS = 40
BODY = {"prompt": "a lighthouse", "width": 512, "height": 512, "steps": 20}
JSON = {"Content-Type": "application/json"}

Paint = Callable[[], bytes]


def overhead(deployed: Deployed, latencies: Latencies) -> dict[str, Any]:
    """Return median milliseconds of each way to one image, interleaved.

    What a way takes above a direct client is the median of the differences in each round.
    """
    # It comes before the application is imported, and the clients are made.
    delays = Delays(latencies)
    os.environ |= deployed.environment("APIHandler") | {"LOG_LEVEL": "ERROR"}
    try:
        return _measure(deployed, delays)
    finally:
        delays.end()


def _measure(deployed: Deployed, delays: Delays) -> dict[str, float]:
    comfyui_url, api = deployed.comfyui_url, deployed.api
    in_process = _in_process(deployed, delays)

    def delayed() -> bytes:
        with delays.on():
            return in_process()

    ways: dict[str, Paint] = {
        "direct_websocket": lambda: direct(comfyui_url),
        "in_process": in_process,
        "in_process_with_latencies": delayed,
        "through_the_emulator": lambda: _through(api),
        "lambda_floor": lambda: api.call("GET", "/nothing").content,
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 3):
        for name, paint in ways.items():
            began = time.perf_counter()
            paint()
            if number >= 3:  # the first rounds create clients and connections
                taken[name].append((time.perf_counter() - began) * 1000)
    return {
        **{f"{name}_ms": round(statistics.median(each), 1) for name, each in taken.items()},
        **{
            f"{name}_above_direct_ms": _above(taken[name], taken["direct_websocket"])
            for name in ("in_process", "in_process_with_latencies")
        },
    }


def _above(taken: list[float], direct: list[float]) -> float:
    differences = (one - other for one, other in zip(taken, direct, strict=True))
    return round(statistics.median(differences), 1)


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


def _in_process(deployed: Deployed, delays: Delays) -> Paint:
    # Imported here, because the application reads the environment, which is set only now. Its log
    # goes to /dev/null, not among the figures.
    with redirect_stdout(Path(os.devnull).open("w")):
        app = import_module("app").app
    services = import_module("chalicelib.bootstrap").services
    client = import_module("chalice.test").Client(app).http
    caller = requests.Session()
    for http in (services().gateways.http, caller):
        delays.mount(http, deployed.emulator.url)

    headers = {**JSON, **deployed.api.headers}

    def paint() -> bytes:
        answer = client.post("/api/images/generate", headers=headers, body=json.dumps(BODY))
        return caller.get(answer.json_body["image_url"], timeout=10).content

    return paint


def _through(api: Api) -> bytes:
    answer = api.call("POST", "/api/images/generate", json=BODY)
    return requests.get(answer.json()["image_url"], timeout=10).content

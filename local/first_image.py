"""Make one image through the API, and print each change of the job."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import requests

from local.stack.api import Api

PROMPT = "a lighthouse on a cliff at dawn, calm sea, soft light"

_LOOK_SECONDS = 0.5
_DEADLINE_SECONDS = 900

Say = Callable[[str], None]


class FirstImage(NamedTuple):
    """Where the image was saved, and its link."""

    path: Path
    url: str


def first_image(api: Api, comfyui_url: str, path: Path, say: Say) -> FirstImage:
    """Request an image, wait for it as a client would, and save it."""
    say(f"GET comfyui/status: {_status(api)}")
    body = {"prompt": PROMPT, **_effort(comfyui_url)}
    say(f"POST /api/images/generate {json.dumps(body)}")
    answer = api.call("POST", "/api/images/generate", json=body)
    if answer.status_code == requests.codes.accepted:
        job = _finished(api, answer.headers["Location"], answer.json(), say)
        url = job["image_urls"][0]
    elif answer.ok:
        say("200: the GPU was on already")
        url = answer.json()["image_url"]
    else:
        raise SystemExit(f"{answer.status_code}: {answer.text}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(requests.get(url, timeout=60).content)
    say(f"saved {path.name}, {path.stat().st_size // 1024} KB")
    return FirstImage(path, url)


def _effort(comfyui_url: str) -> dict[str, int]:
    """Return a smaller size for a real ComfyUI without a GPU, where a full image takes minutes."""
    with suppress(requests.RequestException):  # the demo's own GPU is off
        stats = requests.get(f"{comfyui_url}/system_stats", timeout=5).json()
        if stats["devices"][0]["type"] == "cpu":
            return {"width": 256, "height": 256, "steps": 4}
    return {"width": 768, "height": 512}


def _status(api: Api) -> str:
    return str(api.call("GET", "/api/images/comfyui/status").json()["message"])


def _finished(api: Api, job_url: str, job: dict[str, Any], say: Say) -> dict[str, Any]:
    told, deadline = "202", time.monotonic() + _DEADLINE_SECONDS
    say(f"202: job {job['id']} is accepted; polling {job_url}")
    while job["finished_at"] is None:
        now = _describe(job)
        if now != told:
            say(f"job is {now}")
            told = now
        if time.monotonic() > deadline:
            raise SystemExit("No image within 15 minutes; the logs are in .local/")
        time.sleep(_LOOK_SECONDS)
        job = api.call("GET", job_url).json()
    if job["status"] != "succeeded":
        raise SystemExit(f"The job has {job['status']}: {job['error']}")
    say("the job has succeeded")
    return job


def _describe(job: dict[str, Any]) -> str:
    progress, reason = job["progress"], job["status_reason"]
    if progress:
        return f"{job['status']}: {progress['node']} {progress['value']}/{progress['max']}"
    return f"{job['status']}: {reason}" if reason else str(job["status"])

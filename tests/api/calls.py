"""Requests as callers make them."""

import json
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import requests
from chalice.test import HTTPResponse, TestHTTPClient
from PIL import Image

from tests.api.gateway import BASE_URL

JOBS = "/api/images/jobs"
SETTINGS = "/api/images/settings"
SMALL = {"width": 64, "height": 64}


def send(
    http: TestHTTPClient, method: str, path: str, body: object = None, **headers: str
) -> HTTPResponse:
    """Send a body as JSON, or bytes as they are; a header is written `idempotency_key=…`."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.request(
        method,
        path,
        headers={"content-type": "application/json", **named},
        body=content if isinstance(content, bytes) else content.encode(),
    )


def generate(http: TestHTTPClient, **wanted: object) -> HTTPResponse:
    """Ask for a small image and wait for it."""
    body = {"prompt": "a lighthouse", **SMALL, **wanted}
    return send(http, "POST", "/api/images/generate", body)


def generate_later(http: TestHTTPClient, **wanted: object) -> HTTPResponse:
    """Have a request accepted; nobody makes the image here."""
    body = {"prompt": "a lighthouse", **SMALL, **wanted}
    return send(http, "POST", "/api/images/generate", body, prefer="respond-async")


def but_wait(job: dict[str, Any]) -> dict[str, Any]:
    """Leave out how long a job has to wait, which its acceptance does not tell."""
    return job | {"queue_position": None, "estimated_wait_seconds": None}


def path_of(url: str) -> str:
    """Return the path of one of the API's own URLs."""
    assert url.startswith(f"{BASE_URL}/api/"), url
    return url.removeprefix(BASE_URL)


def next_path(response: HTTPResponse) -> str | None:
    """Return where a list goes on, if it does."""
    if "Link" not in response.headers:
        return None
    found = re.fullmatch(r'<([^>]+)>; rel="next"', response.headers["Link"])
    assert found, response.headers["Link"]
    return path_of(found[1])


def pages(http: TestHTTPClient, path: str) -> Iterator[list[Any]]:
    """Read a list to its end."""
    following, seen = path, set[str]()
    while following:
        assert following not in seen, "the list goes round in a circle"
        seen.add(following)
        response = http.get(following)
        assert response.status_code == 200, response.body
        yield response.json_body
        following = next_path(response) or ""


def everything(http: TestHTTPClient, path: str) -> list[Any]:
    """Return a list as its pages give it."""
    return [item for page in pages(http, path) for item in page]


def put_setting(http: TestHTTPClient, name: str, value: str) -> HTTPResponse:
    """Give a setting a value, whether it is there or not."""
    body = {"name": name, "value": value, "description": ""}
    ids = [each["id"] for each in http.get(SETTINGS).json_body if each["name"] == name]
    response = (
        send(http, "PUT", f"{SETTINGS}/{ids[0]}", body)
        if ids
        else send(http, "POST", SETTINGS, body)
    )
    assert response.status_code in (200, 201), response.body
    return response


def picture(url: str) -> Image.Image:
    """Fetch an image as a browser would."""
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 200, answer.text
    return Image.open(BytesIO(answer.content))


def graph_of(url: str) -> dict[str, Any]:
    """Return the graph that ComfyUI ran, which it writes into its images."""
    graph: dict[str, Any] = json.loads(picture(url).info["prompt"])
    return graph

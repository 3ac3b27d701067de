"""Functions that call the API as a caller does."""

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
    """Send a body as JSON, or bytes unchanged; headers are keywords, such as `idempotency_key`."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.request(
        method,
        path,
        headers={"content-type": "application/json", **named},
        body=content if isinstance(content, bytes) else content.encode(),
    )


def generate(http: TestHTTPClient, **wanted: object) -> HTTPResponse:
    """Request a small image and wait for it."""
    body = {"prompt": "a lighthouse", **SMALL, **wanted}
    return send(http, "POST", "/api/images/generate", body)


def generate_later(http: TestHTTPClient, **wanted: object) -> HTTPResponse:
    """Request a small image asynchronously: the job stays queued, as no worker runs."""
    body = {"prompt": "a lighthouse", **SMALL, **wanted}
    return send(http, "POST", "/api/images/generate", body, prefer="respond-async")


def without_wait(job: dict[str, Any]) -> dict[str, Any]:
    """Return a job without its queue position and wait, as an asynchronous request returns it."""
    return job | {"queue_position": None, "estimated_wait_seconds": None}


def path_of(url: str) -> str:
    """Return the path of one of the API's own URLs."""
    assert url.startswith(f"{BASE_URL}/api/"), url
    return url.removeprefix(BASE_URL)


def next_path(response: HTTPResponse) -> str | None:
    """Return the path of a list's next page, or None on the last one."""
    if "Link" not in response.headers:
        return None
    found = re.fullmatch(r'<([^>]+)>; rel="next"', response.headers["Link"])
    assert found, response.headers["Link"]
    return path_of(found[1])


def pages(http: TestHTTPClient, path: str) -> Iterator[list[Any]]:
    """Yield the pages of a list."""
    following, seen = path, set[str]()
    while following:
        assert following not in seen, "a page links to an earlier page"
        seen.add(following)
        response = http.get(following)
        assert response.status_code == 200, response.body
        yield response.json_body
        following = next_path(response) or ""


def all_items(http: TestHTTPClient, path: str) -> list[Any]:
    """Return the items of all pages of a list."""
    return [item for page in pages(http, path) for item in page]


def put_setting(http: TestHTTPClient, name: str, value: str) -> HTTPResponse:
    """Create a setting, or replace the one of the same name."""
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
    """Return the graph that ComfyUI executed, which it writes into its images."""
    graph: dict[str, Any] = json.loads(picture(url).info["prompt"])
    return graph

"""One call to a cold GPU from a page of another origin, and from Node.js."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page

from tests.browser.pages import fetch
from tests.e2e.conftest import Stack, deployed

OWN_WAIT = "3"
BOOT_SECONDS = 6.0
ADDRESS = "/api/images/generate?wait=54"
BODY = json.dumps({"prompt": "a lighthouse", "width": 64, "height": 64})
KIND = {"Content-Type": "application/json"}

_NODE = """
const [url, init] = process.argv.slice(1);
const answer = await fetch(url, JSON.parse(init));
const {status, redirected, url: at} = answer;
console.log(JSON.stringify({status, redirected, at, body: await answer.json()}));
"""


@pytest.fixture
def cold(packaged: Path, origin: str, tmp_path: Path) -> Iterator[Stack]:
    """A deployment for the page's origin, whose GPU is off and boots longer than one answer."""
    with deployed(
        packaged,
        tmp_path,
        boot_seconds=BOOT_SECONDS,
        AllowedOrigin=origin,
        LongestWaitSeconds=OWN_WAIT,
    ) as stack:
        yield stack


def test_a_page_of_another_origin_gets_its_image_in_one_call(page: Page, cold: Stack) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    headers = {**cold.api.headers, **KIND}
    answer = fetch(page, f"{cold.api.url}{ADDRESS}", method="POST", headers=headers, body=BODY)
    assert (answer.status, answer.redirected) == (200, True)
    hops = [each for each in asked if "/api/images/results/" in each]
    assert len(hops) >= 2
    assert {each.partition(" ")[0] for each in hops} == {"GET"}
    assert 'rel="canonical"' in answer.headers["link"]
    image = fetch(page, json.loads(answer.content)["image_url"])
    assert image.headers["content-type"] == "image/png"


def test_node_gets_its_image_in_one_call(cold: Stack) -> None:
    node = shutil.which("node")
    assert node, "install Node.js"
    init = {"method": "POST", "headers": {**cold.api.headers, **KIND}, "body": BODY}
    command = [node, "--input-type=module", "-e", _NODE, f"{cold.api.url}{ADDRESS}"]
    done = subprocess.run(
        [*command, json.dumps(init)], capture_output=True, text=True, check=True, timeout=60
    )
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["redirected"]) == (200, True)
    assert "/api/images/results/" in answer["at"]
    assert requests.get(answer["body"]["image_url"], timeout=10).ok

"""One call, however cold: real clients follow the redirects of a long wait by themselves."""

import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import requests

from local.stack.api import Api
from tests.e2e.conftest import Stack, deployed

OWN_WAIT = 3
BOOT_SECONDS = 6.0
GENERATE, POST = "/api/images/generate", "/api/v1/posts/7/generate_images"
BODY = {"prompt": "a lighthouse", "width": 64, "height": 64}


class Got(NamedTuple):
    """What a client got in one call, and how many redirects it followed."""

    status_code: int
    body: dict[str, Any]
    redirects: int


Client = Callable[[Api, str], Got]


@pytest.fixture(scope="module")
def stack(packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory, own_wait = tmp_path_factory.mktemp("results"), str(OWN_WAIT)
    with deployed(
        packaged,
        directory,
        boot_seconds=BOOT_SECONDS,
        LongestWaitSeconds=own_wait,
        MarkGenerated="0",
    ) as stack:
        yield stack


def with_curl(api: Api, path: str, *options: str) -> Got:
    key, kind = f"Authorization: Bearer {api.key}", "Content-Type: application/json"
    shown = r"\n%{http_code} %{num_redirects}"
    command = ["curl", "-sSL", *options, "-w", shown, "-H", key, "-H", kind]
    command += ["-d", json.dumps(BODY), f"{api.url}{path}"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    body, _, numbers = printed.rpartition("\n")
    status_code, redirects = map(int, numbers.split())
    return Got(status_code, json.loads(body), redirects)


def with_curl_that_repeats_post(api: Api, path: str) -> Got:
    return with_curl(api, path, "-X", "POST")


def with_requests(api: Api, path: str) -> Got:
    answer = requests.post(f"{api.url}{path}", json=BODY, headers=api.headers, timeout=60)
    return Got(answer.status_code, answer.json(), len(answer.history))


def with_httpx(api: Api, path: str) -> Got:
    url, how = f"{api.url}{path}", {"follow_redirects": True, "timeout": 60, "trust_env": False}
    answer = httpx.post(url, json=BODY, headers=api.headers, **how)
    return Got(answer.status_code, answer.json(), len(answer.history))


CLIENTS: list[Client] = [with_curl, with_curl_that_repeats_post, with_requests, with_httpx]


def test_one_call_to_a_cold_gpu_ends_with_the_image_in_every_client(stack: Stack) -> None:
    limited = stack.new_api("one call", "--requests-per-minute", str(len(CLIENTS)))
    assert stack.call("GET", "/api/images/comfyui/status").json()["status"] == "stopped"
    with ThreadPoolExecutor(max_workers=len(CLIENTS)) as pool:
        got = list(pool.map(lambda client: client(limited, f"{GENERATE}?wait=54"), CLIENTS))
    assert [each.status_code for each in got] == [200] * len(CLIENTS), got
    assert min(each.redirects for each in got) >= 2
    for each in got:
        assert each.body["status"] == "success"
        image = requests.get(each.body["image_url"], timeout=10)
        assert image.headers["Content-Type"] == "image/png"
        assert b"XML:com.adobe.xmp" not in image.content  # as MarkGenerated is 0


def test_the_result_is_what_the_request_answers_when_it_is_repeated(stack: Stack) -> None:
    headers = {"Prefer": "wait=54", "Idempotency-Key": "the same"}
    body = {**BODY, "count": 4, "steps": 150, "width": 512, "height": 512}
    result = stack.call("POST", POST, json=body, headers=headers)
    itself = stack.call("POST", POST, json=body, headers=headers)
    assert (result.status_code, itself.status_code) == (200, 200)
    assert result.headers["Link"] == itself.headers["Link"]
    assert result.headers["Link"].count('rel="item"') == 4
    assert result.headers["Preference-Applied"] == "wait=54"
    assert result.headers["Idempotency-Key"] == "the same"
    assert len(result.json()["image_urls"]) == 4


def test_the_address_of_an_image_in_an_answer_is_a_lasting_one(stack: Stack) -> None:
    answer = stack.call("POST", f"{GENERATE}?wait=54", json=BODY)
    url, _, relation = answer.headers["Link"].partition(";")
    assert relation.strip() == 'rel="canonical"'
    assert (
        stack.call("GET", url.strip("<>")).content
        == requests.get(answer.json()["image_url"], timeout=10).content
    )


def test_without_a_long_wait_nothing_is_redirected(stack: Stack) -> None:
    body = {**BODY, "steps": 150}
    answer = stack.call("POST", f"{GENERATE}?wait=0", json=body, allow_redirects=False)
    assert answer.status_code == 202
    longer = stack.call("POST", f"{GENERATE}?wait=451", json=body)
    assert (longer.status_code, longer.json()["details"]["field"]) == (400, "wait")


def test_a_result_belongs_to_its_owner(stack: Stack) -> None:
    address = f"{stack.api.url}{POST}?wait=54"
    slow = {**BODY, "count": 4, "steps": 150}
    first = requests.post(
        address, json=slow, headers=stack.api.headers, timeout=30, allow_redirects=False
    )
    assert first.status_code == 303, first.text
    result = first.headers["Location"]
    assert result.startswith(f"{stack.api.url}/api/images/results/")
    assert requests.get(result, timeout=30).status_code == 401
    assert stack.new_api("another").call("GET", result).status_code == 404
    assert len(stack.call("GET", result).json()["image_urls"]) == 4

"""The deployed stack over HTTP, from a GPU that is off to a stored image."""

import os
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from PIL import Image

from chalicelib.models.jobs.attempt import attempt_id
from local.stack.api import Api
from local.stack.deploy import STACK
from local.stack.emulator import environment
from local.stack.processes import ROOT, wait_until
from tests.contracts.protocol import ComfyUI
from tests.e2e.conftest import Stack
from tests.environment import CHECKPOINT

GENERATE = "/api/images/generate"
FOX = {"prompt": "a red fox", "width": 128, "height": 64, "steps": 2}


def size_of(url: str) -> tuple[int, int]:
    return opened(requests.get(url, timeout=30).content).size


def opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))


@pytest.fixture
def warm(stack: Stack) -> Stack:
    """The stack with its GPU on."""
    status = "/api/images/comfyui/status"
    assert stack.call("POST", "/api/images/comfyui/start").status_code == 200
    # The reconciler, which runs every minute, warms it up.
    wait_until(lambda: stack.call("GET", status).json()["status"] == "ready", "ComfyUI", seconds=90)
    return stack


def test_the_first_image_starts_the_gpu(stack: Stack) -> None:
    assert stack.call("GET", "/api/images/comfyui/status").json()["status"] == "stopped"
    answer = stack.call("POST", GENERATE, json=FOX)
    assert (answer.status_code, answer.json()["status"]) == (202, "starting")
    job = stack.finished(answer.headers["Location"])
    assert job["status"] == "succeeded", job
    assert size_of(job["image_urls"][0]) == (128, 64)


def test_a_request_on_a_warm_gpu_returns_its_image(warm: Stack) -> None:
    answer = warm.call("POST", GENERATE, json={**FOX, "seed": 2**64 - 1, "cfg_scale": 7.5})
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"status", "image_url", "metadata"}
    assert (body["metadata"]["seed"], body["metadata"]["cfg_scale"]) == (2**64 - 1, 7.5)
    assert size_of(body["image_url"]) == (128, 64)


def test_a_worker_completes_an_asynchronous_job(warm: Stack) -> None:
    answer = warm.call("POST", GENERATE, json=FOX, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert warm.finished(answer.headers["Location"])["status"] == "succeeded"


def test_concurrent_requests_with_one_idempotency_key_make_one_job(warm: Stack) -> None:
    def ask(_: int) -> requests.Response:
        return warm.call("POST", GENERATE, json=FOX, headers={"Idempotency-Key": "same"})

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(ask, range(8)))
    assert {answer.status_code for answer in answers} <= {200, 202}
    [job_url] = {answer.headers["Location"] for answer in answers}
    job = warm.finished(job_url)
    assert (job["status"], len(job["attempts"])) == ("succeeded", 1)


def test_one_request_for_a_post_returns_all_its_images(warm: Stack) -> None:
    body = {"prompt": "a dog", "count": 3}
    answer = warm.call("POST", "/api/v1/posts/42/generate_images", json=body)
    assert answer.status_code == 200
    assert len(answer.json()["image_urls"]) == 3
    listed = warm.call("GET", "/api/v1/posts/42/images").json()
    assert len({image["metadata"]["seed"] for image in listed}) == 3


def test_a_durable_link_leads_to_the_image(warm: Stack) -> None:
    job_url = warm.call("POST", GENERATE, json=FOX).headers["Location"]
    job = warm.finished(job_url)
    image = f"/api/images/files/{job['id']}-0"
    assert warm.call("GET", image, allow_redirects=False).status_code == 302
    assert warm.call("GET", image).headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("what", ["", "/provenance"])
def test_head_of_a_file_leads_to_its_headers(warm: Stack, what: str) -> None:
    job = warm.finished(warm.call("POST", GENERATE, json=FOX).headers["Location"])
    file = f"{warm.api.url}/api/images/files/{job['id']}-0{what}"
    content = warm.call("GET", file).content
    key = f"Authorization: {warm.api.headers['Authorization']}"
    printed = subprocess.run(
        ["curl", "-sIL", "-H", key, file], capture_output=True, text=True, timeout=60, check=True
    ).stdout.lower()
    redirect, _, found = printed.partition("\n\n")
    assert " 302" in redirect.splitlines()[0]
    assert " 200" in found.splitlines()[0]
    assert f"content-length: {len(content)}\n" in found
    assert "cache-control: private, max-age=31536000, immutable\n" in found
    unknown = f"{warm.api.url}/api/images/files/01ARZ3NDEKTSV4RRFFQ69G5FAV-0{what}"
    missing = warm.call("HEAD", unknown)
    assert (missing.status_code, missing.content) == (404, b"")


def test_polls_of_a_job_return_links_as_of_the_start_of_a_quarter_of_an_hour(warm: Stack) -> None:
    job_url = warm.call("POST", GENERATE, json=FOX).headers["Location"]
    links = [*warm.finished(job_url)["image_urls"], *warm.job(job_url)["image_urls"]]
    file = f"/api/images/files/{warm.job(job_url)['id']}-0"
    links.append(warm.call("GET", file, allow_redirects=False).headers["Location"])
    for link in links:
        [signed_at] = parse_qs(urlsplit(link).query)["X-Amz-Date"]
        assert re.fullmatch(r"\d{8}T\d\d(00|15|30|45)00Z", signed_at)
    # The start of another quarter may fall between them.
    assert len(set(links)) <= 2


def test_an_image_can_be_generated_again_from_its_provenance(warm: Stack) -> None:
    job = warm.finished(warm.call("POST", GENERATE, json=FOX).headers["Location"])
    image = f"/api/images/files/{job['id']}-0"
    content = warm.call("GET", image).content
    provenance = warm.call("GET", f"{image}/provenance").json()
    assert provenance["sha256"] == sha256(content).hexdigest()
    assert job["metadata"].items() <= provenance["parameters"].items()
    assert provenance["made_with"]["device"] == "stand-in"
    comfyui = ComfyUI(warm.gpu.url, CHECKPOINT)
    # Empties the cache, so that ComfyUI generates the image again.
    comfyui.post("/free", {"unload_models": True, "free_memory": True})
    [again] = comfyui.run(provenance["workflow"]).images
    assert opened(comfyui.view(again).content).tobytes() == opened(content).tobytes()


def test_an_image_says_that_it_was_generated(warm: Stack) -> None:
    job = warm.finished(warm.call("POST", GENERATE, json=FOX).headers["Location"])
    image = opened(requests.get(job["image_urls"][0], timeout=30).content)
    mark = image.info["XML:com.adobe.xmp"]
    assert "digitalsourcetype/trainedAlgorithmicMedia<" in mark
    assert f"<dc:identifier>{job['id']}-0<" in mark
    assert FOX["prompt"] not in mark


def test_a_job_succeeds_although_its_gpu_is_stopped(warm: Stack) -> None:
    slow = {**FOX, "steps": 150}
    answer = warm.call("POST", GENERATE, json=slow, headers={"Prefer": "respond-async"})
    job_url = answer.headers["Location"]
    wait_until(
        lambda: warm.job(job_url)["status"] == "running",
        "the start of the execution",
        seconds=30,
    )
    warm.emulator.client("ec2").stop_instances(InstanceIds=[warm.gpu.id])
    job = warm.finished(job_url)
    assert (job["status"], len(job["attempts"])) == ("succeeded", 2)


def test_canceling_a_running_job_stops_its_execution(warm: Stack) -> None:
    job_url = warm.accepted(steps=150)
    wait_until(
        lambda: warm.job(job_url)["status"] == "running", "the start of the execution", seconds=30
    )
    answer = warm.call("POST", f"/api/images/jobs/{warm.job(job_url)['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    prompt_id = attempt_id(warm.job(job_url)["id"], 1)
    history = f"{warm.gpu.url}/history/{prompt_id}"
    wait_until(
        lambda: requests.get(history, timeout=5).json(), "the end of the execution", seconds=30
    )
    status = requests.get(history, timeout=5).json()[prompt_id]["status"]
    assert "execution_interrupted" in dict(status["messages"])
    assert warm.job(job_url)["status"] == "canceled"


def test_a_burst_of_one_owner_does_not_delay_another_owner(warm: Stack) -> None:
    ada, bob = warm.new_api("ada"), warm.new_api("bob")
    burst = [warm.accepted(api=ada, steps=150) for _ in range(15)]
    single = warm.accepted(api=bob, steps=2)
    waiting = warm.waiting()
    assert set(waiting) & set(burst), "the whole burst has already started"
    # Only the head of the queue may come before it, with the same virtual start time.
    assert single not in waiting[2:]
    others = [job_url for job_url in waiting if job_url != single]
    assert others == sorted(others), "an owner's jobs wait in the order of their requests"
    for job_url in burst:
        warm.call("POST", f"{job_url}/cancel")
    assert warm.finished(single)["status"] == "succeeded"


@pytest.mark.parametrize("prefer", ["respond-async", "wait=25"])
def test_forty_concurrent_requests_of_one_key_all_succeed(warm: Stack, prefer: str) -> None:
    api = warm.new_api(f"forty {prefer.partition('=')[0]}")
    at_once(api, 40, prefer)  # starts as many functions, which takes longer here than on AWS
    statuses = at_once(api, 40, prefer)
    assert statuses.total() == 40
    assert statuses.keys() <= {200, 202}, statuses


def at_once(api: Api, count: int, prefer: str) -> Counter[int]:
    """Send concurrent requests; return how often each status was returned."""
    body = {**FOX, "width": 64, "steps": 1}

    def ask(_: int) -> int:
        headers = {"Prefer": prefer}
        return api.call("POST", GENERATE, json=body, headers=headers, timeout=120).status_code

    with ThreadPoolExecutor(count) as callers:
        return Counter(callers.map(ask, range(count)))


def test_every_catalog_has_first_items(stack: Stack) -> None:
    for catalog in ("settings", "styles", "formats", "prompt_examples"):
        assert len(stack.call("GET", f"/api/images/{catalog}").json()) >= 5


def test_make_doctor_finds_that_the_deployment_works(warm: Stack) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-m", "infra.doctor", STACK],
        cwd=ROOT,
        env={**own, **environment(warm.emulator.url), "KEY": warm.api.key},
        capture_output=True,
        text=True,
        check=False,
    )
    found = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line[0] != " ")
    assert found["functions"].startswith("ok"), done.stdout + done.stderr
    assert found["API"].startswith("ok"), done.stdout
    assert "ComfyUI is" in found["API"]
    assert warm.gpu.id in found["GPUs"]
    assert done.returncode == 1  # nobody gets the alarms

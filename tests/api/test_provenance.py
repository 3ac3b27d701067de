"""`/api/images/files/{image_id}/provenance`: what is needed to generate an image again."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from chalice.test import TestHTTPClient
from PIL import Image

from chalicelib.models.jobs.job import Job
from chalicelib.version import VERSION
from local.comfyui.background import serve
from tests.api.calls import generate, generate_later, graph_of, put_setting
from tests.api.contract import check_cors, check_error
from tests.api.test_files import FILES, job_with_image
from tests.contracts.protocol import ComfyUI
from tests.environment import CHECKPOINT, COMFYUI_PORT


def fetch(http: TestHTTPClient, image_id: str) -> requests.Response:
    """Follow the redirect, as a browser would."""
    response = http.get(f"{FILES}/{image_id}/provenance")
    assert (response.status_code, response.body) == (302, b"")
    assert response.headers["Cache-Control"] == "no-store"
    check_cors(response.headers)
    answer = requests.get(response.headers["Location"], timeout=10)
    assert answer.status_code == 200, answer.text
    return answer


def image_of(http: TestHTTPClient, image_id: str) -> bytes:
    url = http.get(f"{FILES}/{image_id}").headers["Location"]
    return requests.get(url, timeout=10).content


def opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))


def test_an_image_can_be_generated_again_from_its_provenance(
    http: TestHTTPClient, comfyui: str, tmp_path: Path
) -> None:
    put_setting(http, "default_sampler", "dpmpp_2m")
    image_id = f"{job_with_image(http)}-0"
    provenance, image = fetch(http, image_id).json(), image_of(http, image_id)
    with serve(tmp_path / "another", CHECKPOINT) as url:
        another = ComfyUI(url, CHECKPOINT)
        run = another.run(provenance["workflow"])
        output = provenance["output"]
        again = run.entry["outputs"][output["node_id"]]["images"][output["index"]]
        assert opened(another.view(again).content).tobytes() == opened(image).tobytes()
    assert (provenance["sha256"], provenance["bytes"]) == (sha256(image).hexdigest(), len(image))


def test_provenance_has_the_parameters_the_graph_and_the_software_of_an_image(
    http: TestHTTPClient, comfyui: str
) -> None:
    answer = generate(http, seed=2**64 - 1, cfg_scale=3.5, negative_prompt="text")
    job_id = answer.headers["Location"].rpartition("/")[2]
    provenance = fetch(http, f"{job_id}-0").json()
    metadata = answer.json_body["metadata"]
    assert provenance["parameters"] == metadata | {
        "checkpoint": CHECKPOINT,
        "sampler": "euler",
        "scheduler": "normal",
    }
    assert provenance["workflow"] == graph_of(answer.json_body["image_url"])
    assert provenance["made_with"].keys() > {"darkroom", "comfyui", "pytorch", "device"}
    assert provenance["made_with"]["darkroom"] == VERSION
    assert provenance["made_with"]["device"] == "stand-in"


def test_provenance_opens_in_a_browser_as_json(http: TestHTTPClient, comfyui: str) -> None:
    image_id = f"{job_with_image(http)}-0"
    headers = fetch(http, image_id).headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Content-Disposition"] == f'inline; filename="{image_id}.json"'


def test_provenance_contains_no_secrets_and_no_addresses(
    http: TestHTTPClient, comfyui: str
) -> None:
    text = fetch(http, f"{job_with_image(http)}-0").text
    secrets = ("127.0.0.1", str(COMFYUI_PORT), "testing", "argv", "http", "amazonaws", "Bucket")
    assert not [each for each in secrets if each in text], text


def test_the_provenance_of_an_unknown_image_returns_the_same_404_as_the_image(
    http: TestHTTPClient, comfyui: str
) -> None:
    job_id = job_with_image(http)
    later = generate_later(http).json_body["id"]
    unknown = [f"{job_id}-1", job_id, f"{job_id}-0-0", f"{job_id}-²", "x", "-0", "..", f"{later}-0"]
    for image_id in unknown:
        path = f"{FILES}/{image_id}"
        assert check_error(http.get(f"{path}/provenance"), 404) == check_error(http.get(path), 404)


def remove_provenance(job_id: str) -> None:
    """Remove a job's provenance, as for images from before it was recorded."""
    job = Job.find(job_id)
    bare: list[Any] = [{"id": each["id"], "key": each["key"]} for each in job.images]
    job.update([Job.images.set(bare)])


def test_an_image_from_before_provenance_was_recorded_returns_404_with_that_reason(
    http: TestHTTPClient, comfyui: str
) -> None:
    job_id = job_with_image(http)
    remove_provenance(job_id)
    details = check_error(http.get(f"{FILES}/{job_id}-0/provenance"), 404)
    assert "before provenance was recorded" in details["error"]
    assert http.get(f"{FILES}/{job_id}-0").status_code == 302


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_provenance_allows_only_get_and_head(http: TestHTTPClient, method: str) -> None:
    response = http.request(method, f"{FILES}/x/provenance")
    check_error(response, 405)
    assert response.headers["Allow"] == "GET, HEAD"

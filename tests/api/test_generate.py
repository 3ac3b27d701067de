"""`POST /api/images/generate`: the image and its metadata."""

from typing import Any

import boto3
import pytest
from chalice.test import HTTPResponse, TestHTTPClient
from PIL import Image

from tests.api.calls import generate, graph_of, path_of, picture, send
from tests.api.contract import check_cors

METADATA = ["prompt", "negative_prompt", "width", "height", "steps", "cfg_scale", "seed"]
WANTED: dict[str, Any] = {
    "prompt": "a lighthouse in a storm, 🌊 oil on canvas",
    "negative_prompt": "people, “text”",
    "width": 72,
    "height": 128,
    "steps": 3,
    "cfg_scale": 7.5,
    "seed": 2**64 - 1,
}


def metadata(response: HTTPResponse) -> dict[str, Any]:
    assert response.status_code == 200, response.body
    made: dict[str, Any] = response.json_body["metadata"]
    return made


def test_the_response_with_an_image_has_exactly_the_keys_of_the_spec(
    http: TestHTTPClient, comfyui: str
) -> None:
    response = generate(http, **WANTED)
    assert response.status_code == 200, response.body
    assert list(response.json_body) == ["status", "image_url", "metadata"]
    assert response.json_body["status"] == "success"
    assert list(response.json_body["metadata"]) == METADATA
    check_cors(response.headers)


def test_the_metadata_matches_the_request(http: TestHTTPClient, comfyui: str) -> None:
    made = metadata(generate(http, **WANTED))
    assert made == WANTED
    assert type(made["cfg_scale"]) is float
    assert type(made["seed"]) is int


def test_the_image_has_the_requested_size(http: TestHTTPClient, comfyui: str) -> None:
    response = generate(http, width=200, height=80)
    image = picture(response.json_body["image_url"])
    assert (image.width, image.height) == (200, 80)
    assert image.format == "PNG"


def test_comfyui_gets_the_requested_parameters(http: TestHTTPClient, comfyui: str) -> None:
    graph = graph_of(generate(http, **WANTED).json_body["image_url"])
    sampler = graph["3"]["inputs"]
    assert {name: sampler[name] for name in ("seed", "steps", "cfg")} == {
        "seed": WANTED["seed"],
        "steps": WANTED["steps"],
        "cfg": WANTED["cfg_scale"],
    }
    assert graph[sampler["positive"][0]]["inputs"]["text"] == WANTED["prompt"]
    assert graph[sampler["negative"][0]]["inputs"]["text"] == WANTED["negative_prompt"]
    latent = graph[sampler["latent_image"][0]]["inputs"]
    assert (latent["width"], latent["height"], latent["batch_size"]) == (72, 128, 1)


def test_the_image_is_stored_before_the_response(http: TestHTTPClient, comfyui: str) -> None:
    response = generate(http)
    job_id = path_of(response.headers["Location"]).rpartition("/")[2]
    stored = boto3.client("s3").get_object(Bucket="images", Key=f"images/{job_id}/0.png")
    assert stored["ContentType"] == "image/png"
    assert Image.open(stored["Body"]).size == (64, 64)


def test_the_location_header_leads_to_the_job(http: TestHTTPClient, comfyui: str) -> None:
    response = generate(http, seed=5)
    job = http.get(path_of(response.headers["Location"]))
    assert job.json_body["status"] == "succeeded"
    assert job.json_body["metadata"] == response.json_body["metadata"]


@pytest.mark.parametrize("wanted", [{}, {"seed": -1}], ids=["absent", "minus-one"])
def test_a_seed_that_is_left_out_is_random_and_in_the_metadata(
    http: TestHTTPClient, comfyui: str, wanted: dict[str, int]
) -> None:
    responses = [generate(http, **wanted) for _ in range(3)]
    seeds = {metadata(response)["seed"] for response in responses}
    assert len(seeds) == 3
    assert all(0 <= seed < 2**64 for seed in seeds)
    used = {graph_of(each.json_body["image_url"])["3"]["inputs"]["seed"] for each in responses}
    assert used == seeds


@pytest.mark.parametrize("seed", [0, 2**53 + 1, 2**63, 2**64 - 1])
def test_no_digit_of_a_seed_is_lost(http: TestHTTPClient, comfyui: str, seed: int) -> None:
    response = generate(http, seed=seed)
    assert metadata(response)["seed"] == seed
    assert http.get(path_of(response.headers["Location"])).json_body["seed"] == seed


def test_cfg_scale_may_be_a_whole_number(http: TestHTTPClient, comfyui: str) -> None:
    assert metadata(generate(http, cfg_scale=8))["cfg_scale"] == 8


def test_the_same_request_twice_makes_two_jobs_with_identical_images(
    http: TestHTTPClient, comfyui: str
) -> None:
    first, second = generate(http, seed=1), generate(http, seed=1)
    assert first.headers["Location"] != second.headers["Location"]
    pictures = [picture(each.json_body["image_url"]).tobytes() for each in (first, second)]
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("prompt", ["x", "  spaced  ", "line\nbreak", "עברית", "(a:1.2) [b] <c>"])
def test_comfyui_gets_the_prompt_unchanged(http: TestHTTPClient, comfyui: str, prompt: str) -> None:
    response = generate(http, prompt=prompt)
    assert metadata(response)["prompt"] == prompt
    assert graph_of(response.json_body["image_url"])["6"]["inputs"]["text"] == prompt


def test_every_json_content_type_is_accepted(http: TestHTTPClient, comfyui: str) -> None:
    body = {"prompt": "x", "width": 64, "height": 64}
    for content_type in (
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/a+json",
    ):
        response = send(http, "POST", "/api/images/generate", body, content_type=content_type)
        assert response.status_code == 200, response.body

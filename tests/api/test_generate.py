"""`POST /api/images/generate`."""

import json
from typing import Any

import boto3
from chalice.test import HTTPResponse, TestHTTPClient

JSON = {"Content-Type": "application/json"}
PATH = "/api/images/generate"


def generate(http: TestHTTPClient, body: dict[str, Any], **headers: str) -> HTTPResponse:
    return http.post(PATH, body=json.dumps(body), headers={**JSON, **headers})


def test_an_image_is_there_when_the_answer_is(http: TestHTTPClient, comfyui: str) -> None:
    response = generate(http, {"prompt": "a lighthouse", "width": 64, "height": 128, "seed": 7})
    assert response.status_code == 200, response.body
    assert response.json_body.keys() == {"status", "image_url", "metadata"}
    job_id = response.headers["Location"].rpartition("/")[2]
    stored = boto3.client("s3").get_object(Bucket="images", Key=f"images/{job_id}/0.png")
    assert stored["ContentType"] == "image/png"
    assert stored["Body"].read().startswith(b"\x89PNG")

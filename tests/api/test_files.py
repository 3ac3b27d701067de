"""`/api/images/files/{image_id}`: durable links to images."""

import requests
from chalice.test import TestHTTPClient

from tests.api.calls import generate, generate_later, picture
from tests.api.contract import check_cors, check_error

FILES = "/api/images/files"


def job_with_image(http: TestHTTPClient) -> str:
    """Generate an image; return the id of its job."""
    job_id: str = generate(http).headers["Location"].rpartition("/")[2]
    return job_id


def test_a_file_redirects_to_a_signed_url(http: TestHTTPClient, comfyui: str) -> None:
    job_id = job_with_image(http)
    response = http.get(f"{FILES}/{job_id}-0")
    assert response.status_code == 302
    assert response.body == b""
    assert response.headers["Cache-Control"] == "no-store"
    check_cors(response.headers)
    url = response.headers["Location"]
    assert "X-Amz-Signature=" in url
    assert picture(url).size == (64, 64)


def test_the_link_leads_to_the_image_of_the_response(http: TestHTTPClient, comfyui: str) -> None:
    answer = generate(http, seed=4)
    job_id = answer.headers["Location"].rpartition("/")[2]
    url = http.get(f"{FILES}/{job_id}-0").headers["Location"]
    assert picture(url).tobytes() == picture(answer.json_body["image_url"]).tobytes()


def test_file_ids_are_case_insensitive(http: TestHTTPClient, comfyui: str) -> None:
    assert http.get(f"{FILES}/{job_with_image(http).lower()}-0").status_code == 302


def test_the_link_opens_in_a_browser_as_an_image(http: TestHTTPClient, comfyui: str) -> None:
    url = http.get(f"{FILES}/{job_with_image(http)}-0").headers["Location"]
    headers = requests.get(url, timeout=10).headers
    assert headers["Content-Type"] == "image/png"
    assert headers["Content-Disposition"].startswith("inline")


def test_an_unknown_file_is_not_found(http: TestHTTPClient, comfyui: str) -> None:
    job_id = job_with_image(http)
    unknown = [f"{job_id}-1", job_id, f"{job_id}-", f"{job_id}-00", f"{job_id}-0-0", f"{job_id}-²"]
    for image_id in [*unknown, "x", "-0", "01ARZ3NDEKTSV4RRFFQ69G5FAV-0", "..", "x" * 5000]:
        check_error(http.get(f"{FILES}/{image_id}"), 404)


def test_a_job_without_an_image_yet_has_no_file(http: TestHTTPClient, comfyui: str) -> None:
    job_id = generate_later(http).json_body["id"]
    check_error(http.get(f"{FILES}/{job_id}-0"), 404)

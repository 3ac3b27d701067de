"""`/api/images/files/{image_id}`: durable links to images."""

from urllib.parse import urlsplit

import pytest
import requests
from chalice.test import TestHTTPClient

from chalicelib.bootstrap import services
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


@pytest.mark.parametrize("what", ["", "/provenance"])
def test_head_redirects_to_a_link_for_head(http: TestHTTPClient, comfyui: str, what: str) -> None:
    path = f"{FILES}/{job_with_image(http)}-0{what}"
    response, link = http.head(path), http.get(path).headers["Location"]
    assert (response.status_code, response.body) == (302, b"")
    assert response.headers["Cache-Control"] == "no-store"
    check_cors(response.headers)
    key = urlsplit(link).path.removeprefix("/")
    assert link == services().images.url(key)
    assert response.headers["Location"] == services().images.url(key, "HEAD") != link


def test_head_of_an_unknown_file_is_not_found(http: TestHTTPClient) -> None:
    assert http.head(f"{FILES}/01ARZ3NDEKTSV4RRFFQ69G5FAV-0").status_code == 404


@pytest.mark.parametrize("what", ["", "/provenance"])
def test_a_file_allows_get_and_head(http: TestHTTPClient, what: str) -> None:
    refused = http.delete(f"{FILES}/01ARZ3NDEKTSV4RRFFQ69G5FAV-0{what}")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")


def test_reads_of_a_file_and_of_its_job_give_the_same_link(
    http: TestHTTPClient, comfyui: str
) -> None:
    job_id = job_with_image(http)
    links = [http.get(f"{FILES}/{job_id}-0").headers["Location"] for _ in range(2)]
    [of_job] = http.get(f"/api/images/jobs/{job_id}").json_body["image_urls"]
    assert links == [of_job, of_job]


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

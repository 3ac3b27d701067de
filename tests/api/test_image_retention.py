"""`IMAGE_RETENTION_DAYS`: links to an image end when the image expires."""

import pytest
from chalice.test import TestHTTPClient
from msgspec import structs

from chalicelib.api import job_resource
from chalicelib.config import config
from chalicelib.models.jobs import job as job_module
from chalicelib.models.jobs.job import Job
from tests.api.calls import JOBS, SMALL, all_items, send
from tests.api.contract import check_error
from tests.api.test_files import FILES

GENERATE, POST = "/api/images/generate", "/api/v1/posts/7"
DAYS = 7


@pytest.fixture(autouse=True)
def seven_days(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = structs.replace(config, image_retention_days=DAYS)
    for module in (job_module, job_resource):
        monkeypatch.setattr(module, "config", limited)


def job_with_image(http: TestHTTPClient, path: str = GENERATE, *, days_ago: float = 0) -> str:
    """Generate an image with an idempotency key; return the id of its job, ended `days_ago`."""
    body = {"prompt": "a barn", **SMALL}
    assert send(http, "POST", path, body, idempotency_key="k").status_code == 200
    [resource] = http.get(JOBS).json_body
    job = Job.find(resource["id"])
    job.update([Job.finished_at.set(job.finished_at - days_ago * 86_400)])
    return job.id


def test_links_work_until_the_last_day_of_the_retention(http: TestHTTPClient, comfyui: str) -> None:
    job_id = job_with_image(http, days_ago=DAYS - 0.1)
    assert len(http.get(f"{JOBS}/{job_id}").json_body["image_urls"]) == 1
    for path in (f"{FILES}/{job_id}-0", f"{FILES}/{job_id}-0/provenance"):
        assert http.get(path).status_code == 302


def test_after_the_retention_a_link_returns_404_with_the_number_of_days(
    http: TestHTTPClient, comfyui: str
) -> None:
    job_id = job_with_image(http, days_ago=DAYS)
    for path in (f"{FILES}/{job_id}-0", f"{FILES}/{job_id}-0/provenance"):
        details = check_error(http.get(path), 404)
        assert "images are kept for 7 days" in details["error"]


def test_after_the_retention_a_job_loses_only_its_links(http: TestHTTPClient, comfyui: str) -> None:
    job_id = job_with_image(http)
    before = http.get(f"{JOBS}/{job_id}").json_body
    job = Job.find(job_id)
    job.update([Job.finished_at.set(job.finished_at - DAYS * 86_400)])
    after = http.get(f"{JOBS}/{job_id}").json_body
    assert after == before | {"image_urls": [], "finished_at": after["finished_at"]}


def test_after_the_retention_a_post_does_not_list_the_image(
    http: TestHTTPClient, comfyui: str
) -> None:
    job_with_image(http, f"{POST}/generate_images", days_ago=DAYS)
    assert http.get(f"{POST}/images").json_body == []


@pytest.mark.parametrize("path", [GENERATE, f"{POST}/generate_images"])
def test_after_the_retention_a_repeated_request_returns_404_and_suggests_another_key(
    http: TestHTTPClient, comfyui: str, path: str
) -> None:
    job_with_image(http, path, days_ago=DAYS)
    body = {"prompt": "a barn", **SMALL}
    details = check_error(send(http, "POST", path, body, idempotency_key="k"), 404)
    assert "Idempotency-Key" in details["suggestion"]
    assert send(http, "POST", path, body, idempotency_key="another").status_code == 200


def test_images_do_not_expire_by_default() -> None:
    assert config.image_retention_days == 0


def test_pages_of_a_post_skip_expired_images(
    http: TestHTTPClient, comfyui: str, working: None
) -> None:
    body = {"prompt": "a barn", **SMALL, "count": 5}
    assert send(http, "POST", f"{POST}/generate_images", body).status_code == 200
    ids = sorted(job["id"] for job in http.get(JOBS).json_body)
    for job in map(Job.find, ids[:3]):
        job.update([Job.finished_at.set(job.finished_at - DAYS * 86_400)])
    listed = all_items(http, f"{POST}/images?limit=1")
    assert [image["job_id"] for image in listed] == ids[3:]

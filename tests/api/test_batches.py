"""Requests for several images of a post, of which some fail."""

from typing import Any

import pytest
from chalice.test import HTTPResponse, TestHTTPClient

from chalicelib.models.jobs.job import Job
from tests.api.calls import JOBS, picture, put_setting, send
from tests.api.contract import check_cors, check_error, has_text

PATH = "/api/v1/posts/7/generate_images"
BODY = {"prompt": "a barn", "width": 64, "height": 64, "seed": 5, "count": 3}


def ask(http: TestHTTPClient, **how: str) -> HTTPResponse:
    return send(http, "POST", PATH, BODY, idempotency_key="k", **how)


def end(job_id: str, code: str, *, is_canceled: bool = False, field: str | None = None) -> None:
    """End a job without an image, as a worker would."""
    job = Job.find(job_id)
    error = {"code": code, "message": f"it is {code}", "suggestion": "Do something", "field": field}
    job.claim("worker", now=job.due_at, until=job.due_at + 60)
    (job.cancel if is_canceled else job.fail)(error, now=job.created_at + 1)


def accepted(http: TestHTTPClient) -> list[str]:
    return [job["id"] for job in ask(http, prefer="respond-async").json_body["jobs"]]


def test_the_response_has_the_images_and_an_error_for_each_failed_job(
    http: TestHTTPClient, comfyui: str, working: None
) -> None:
    ids = accepted(http)
    end(ids[1], "node_failed")
    response = ask(http)
    assert response.status_code == 200, response.body
    check_cors(response.headers)
    assert response.json_body.keys() == {"image_urls", "errors"}
    urls = response.json_body["image_urls"]
    assert [picture(url).size for url in urls] == [(64, 64)] * 2
    assert [url.partition("?")[0].rpartition("/images/")[2] for url in urls] == [
        f"{ids[0]}/0.png",
        f"{ids[2]}/0.png",
    ]
    assert response.json_body["errors"] == [
        {
            "job_id": ids[1],
            "code": "node_failed",
            "message": "it is node_failed",
            "suggestion": "Do something",
            "field": None,
        }
    ]
    listed = http.get("/api/v1/posts/7/images").json_body
    assert [image["job_id"] for image in listed] == [ids[0], ids[2]]


def test_one_image_is_enough_for_a_successful_response(
    http: TestHTTPClient, comfyui: str, working: None
) -> None:
    ids = accepted(http)
    end(ids[0], "out_of_memory")
    end(ids[2], "canceled", is_canceled=True)
    answer = ask(http).json_body
    assert len(answer["image_urls"]) == 1
    codes = [(each["job_id"], each["code"]) for each in answer["errors"]]
    assert codes == [(ids[0], "out_of_memory"), (ids[2], "canceled")]


def test_an_error_names_the_field_that_caused_it(
    http: TestHTTPClient, comfyui: str, working: None
) -> None:
    ids = accepted(http)
    end(ids[0], "workflow_rejected", field="checkpoint")
    [error] = ask(http).json_body["errors"]
    assert error["field"] == "checkpoint"


def test_without_any_image_the_response_is_the_error_of_the_first_job(
    http: TestHTTPClient, comfyui: str
) -> None:
    ids = accepted(http)
    for job_id, code in zip(ids, ("no_image", "node_failed", "gpu_failed"), strict=True):
        end(job_id, code)
    details = check_error(ask(http), 500)
    assert (details["code"], details["error"]) == ("no_image", "it is no_image")


def test_a_request_whose_jobs_are_all_canceled_returns_409(
    http: TestHTTPClient, comfyui: str
) -> None:
    for job_id in accepted(http):
        assert send(http, "POST", f"{JOBS}/{job_id}/cancel").status_code == 200
    response = ask(http)
    assert check_error(response, 409)["code"] == "canceled"
    assert response.json_body["message"] == "Job canceled"


def test_a_request_with_unfinished_jobs_returns_its_jobs(
    http: TestHTTPClient, comfyui: str
) -> None:
    ids = accepted(http)
    end(ids[0], "node_failed")
    response = ask(http, prefer="respond-async")
    assert response.status_code == 202
    assert [job["status"] for job in response.json_body["jobs"]] == ["failed", "queued", "queued"]


def test_a_response_without_failed_jobs_has_no_errors(
    http: TestHTTPClient, comfyui: str, working: None
) -> None:
    assert ask(http).json_body.keys() == {"image_urls"}


CODES = ["out_of_memory", "node_failed", "gpu_failed", "no_image", "deadline_exceeded"]


@pytest.mark.parametrize("code", [*CODES, "expired", "store_failed", "attempts_exhausted"])
def test_the_response_to_a_failure_has_its_code(
    http: TestHTTPClient, comfyui: str, code: str
) -> None:
    body: dict[str, Any] = {"prompt": "x"}
    how = {"idempotency_key": "one"}
    path = "/api/images/generate"
    accepted = send(http, "POST", path, body, prefer="respond-async", **how)
    end(accepted.json_body["id"], code)
    status = 503 if code == "expired" else 500
    response = send(http, "POST", path, body, **how)
    details = check_error(response, status)
    assert details["code"] == code
    assert "field" not in details
    assert "Retry-After" not in response.headers  # the same request finds the same job again


def test_the_response_to_a_refused_workflow_has_its_code_and_field(
    http: TestHTTPClient, comfyui: str
) -> None:
    put_setting(http, "default_checkpoint", "none.safetensors")
    details = check_error(send(http, "POST", "/api/images/generate", {"prompt": "x"}), 500)
    assert details["code"] == "workflow_rejected"
    assert has_text(details["field"])

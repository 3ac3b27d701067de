"""`/api/images/jobs`: the list of jobs, newest first, and each job."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chalice.test import TestHTTPClient

from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.parameters import JobParameters
from tests.api.calls import (
    JOBS,
    all_items,
    generate,
    generate_later,
    next_path,
    pages,
    picture,
    put_setting,
    send,
    without_wait,
)
from tests.api.contract import check_error

STATUSES = ["queued", "starting", "running", "succeeded", "failed", "canceled"]
UNKNOWN = [
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "x",
    "0",
    "²",
    "x" * 40,
    "x" * 41,
    "x" * 5000,
    "idempotency:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "..",
    "%00",
]


def accept_many(http: TestHTTPClient, batches: int) -> list[str]:
    """Submit eight jobs per batch; return their ids, newest first."""
    body = {"prompt": "x", "count": 8}
    path = "/api/v1/posts/7/generate_images"
    answers = [send(http, "POST", path, body, prefer="respond-async") for _ in range(batches)]
    return sorted((job["id"] for each in answers for job in each.json_body["jobs"]), reverse=True)


def test_a_new_deployment_has_no_jobs(http: TestHTTPClient) -> None:
    response = http.get(JOBS)
    assert (response.status_code, response.json_body) == (200, [])
    assert "Link" not in response.headers


def test_jobs_are_listed_newest_first(http: TestHTTPClient, comfyui: str) -> None:
    accepted: list[dict[str, Any]] = []
    for seed in range(6):
        accepted.insert(0, generate_later(http, seed=seed).json_body)
    jobs = http.get(JOBS).json_body
    by_age = sorted(jobs, key=lambda job: job["created_at"], reverse=True)
    assert [job["created_at"] for job in jobs] == [job["created_at"] for job in by_age]
    assert sorted(job["id"] for job in jobs) == sorted(job["id"] for job in accepted)
    assert all(without_wait(job) in map(without_wait, accepted) for job in jobs)


def test_pages_return_every_job_once(http: TestHTTPClient, comfyui: str) -> None:
    ids = accept_many(http, 4)
    for limit in (1, 7, 31, 32, 33):
        found = list(pages(http, f"{JOBS}?limit={limit}"))
        assert [job["id"] for page in found for job in page] == ids
        assert all(len(page) == limit for page in found[:-1])


def test_a_list_without_a_limit_has_pages_of_fifty(http: TestHTTPClient, comfyui: str) -> None:
    ids = accept_many(http, 7)
    first = http.get(JOBS)
    assert [job["id"] for job in first.json_body] == ids[:50]
    following = next_path(first)
    assert following
    assert [job["id"] for job in all_items(http, following)] == ids[50:]


def test_jobs_accepted_meanwhile_do_not_change_the_next_pages(
    http: TestHTTPClient, comfyui: str
) -> None:
    ids = accept_many(http, 2)
    first = http.get(f"{JOBS}?limit=5")
    accept_many(http, 1)
    following = next_path(first)
    assert following
    rest = [job["id"] for job in all_items(http, following)]
    assert [job["id"] for job in first.json_body] + rest == ids


def test_jobs_are_listed_by_status(http: TestHTTPClient, comfyui: str) -> None:
    done = generate(http).headers["Location"].rpartition("/")[2]
    waiting = generate_later(http).json_body["id"]
    put_setting(http, "default_checkpoint", "none.safetensors")
    check_error(generate(http), 500)
    found = {
        status: [job["id"] for job in http.get(f"{JOBS}?status={status}").json_body]
        for status in STATUSES
    }
    [failed] = found.pop("failed")
    assert found == {
        "queued": [waiting],
        "starting": [],
        "running": [],
        "succeeded": [done],
        "canceled": [],
    }
    assert {job["id"] for job in http.get(JOBS).json_body} == {done, waiting, failed}


def test_every_page_keeps_the_status_filter(http: TestHTTPClient, comfyui: str) -> None:
    generate(http)
    ids = accept_many(http, 2)
    found = list(pages(http, f"{JOBS}?status=queued&limit=5"))
    assert [len(page) for page in found] == [5, 5, 5, 1]
    assert [job["id"] for page in found for job in page] == ids


@pytest.mark.parametrize("status", ["", "done", "QUEUED", "queued,failed", "queued%230"])
def test_an_unknown_status_is_refused(http: TestHTTPClient, status: str) -> None:
    details = check_error(http.get(f"{JOBS}?status={status}"), 400, "status")
    assert all(known in details["error"] for known in STATUSES)


def test_an_invalid_limit_or_cursor_is_refused(http: TestHTTPClient) -> None:
    for limit in ("0", "1001", "-1", "x", ""):
        check_error(http.get(f"{JOBS}?limit={limit}"), 400, "limit")
    for cursor in ("", "!", "x", "MDFBUlozTkRFS1RTVjRSUkZGUTY5RzVGQVZBQkM"):
        check_error(http.get(f"{JOBS}?cursor={cursor}"), 400, "cursor")


def test_a_finished_job_shows_its_image(http: TestHTTPClient, comfyui: str) -> None:
    made = generate(http, seed=9)
    job_id = made.headers["Location"].rpartition("/")[2]
    job = http.get(f"{JOBS}/{job_id}").json_body
    assert (job["id"], job["status"], job["seed"], job["post_id"]) == (job_id, "succeeded", 9, None)
    assert job["metadata"] == made.json_body["metadata"]
    assert (job["error"], job["progress"], job["queue_position"]) == (None, None, None)
    assert [attempt["reason"] for attempt in job["attempts"]] == ["first"]
    [url] = job["image_urls"]
    assert picture(url).size == (64, 64)
    assert http.get(f"{JOBS}?status=succeeded").json_body[0]["id"] == job_id


@pytest.mark.parametrize(
    ("reported", "shown"),
    [
        ({"value": 3, "max": 20, "node": "KSampler"}, {"value": 3, "max": 20, "node": "KSampler"}),
        ({"value": 0.5, "max": 1, "node": None}, {"value": 0.5, "max": 1, "node": None}),
        ({"value": None, "max": None, "node": None}, None),
        ({"value": "3", "max": 20, "node": 3}, None),
        ({}, None),
    ],
)
def test_a_progress_that_is_none_is_not_shown(
    http: TestHTTPClient, comfyui: str, reported: object, shown: object
) -> None:
    job_id = generate_later(http).json_body["id"]
    Job(job_id).update([Job.status.set("running"), Job.progress.set(reported)])
    assert http.get(f"{JOBS}/{job_id}").json_body["progress"] == shown
    assert http.get(JOBS).json_body[0]["progress"] == shown


def test_the_times_of_a_job_are_in_order_and_in_utc(http: TestHTTPClient, comfyui: str) -> None:
    generate(http)
    [job] = http.get(JOBS).json_body
    times = [
        job["created_at"],
        job["attempts"][0]["started_at"],
        job["finished_at"],
        (datetime.now(UTC) + timedelta(seconds=1)).isoformat(),
    ]
    parsed = [datetime.fromisoformat(text) for text in times]
    assert parsed == sorted(parsed)
    assert all(text.endswith("Z") for text in times[:3])
    assert job["started_at"] == times[1]


def test_job_ids_are_case_insensitive(http: TestHTTPClient, comfyui: str) -> None:
    job = generate_later(http).json_body
    assert without_wait(http.get(f"{JOBS}/{job['id'].lower()}").json_body) == without_wait(job)


def test_an_unknown_job_is_not_found(http: TestHTTPClient, comfyui: str) -> None:
    generate(http)
    for job_id in UNKNOWN:
        response = http.get(f"{JOBS}/{job_id}")
        check_error(response, 404)
        assert response.json_body["message"] == "Job not found"


def test_the_record_of_an_idempotency_key_is_not_a_job(http: TestHTTPClient, comfyui: str) -> None:
    body = {"prompt": "x", "width": 64, "height": 64}
    send(http, "POST", "/api/images/generate", body, idempotency_key="foo")
    assert len(http.get(JOBS).json_body) == 1
    check_error(http.get(f"{JOBS}/{UNKNOWN[7]}"), 404)


def test_a_job_whose_parameters_have_expired_returns_404_and_is_not_listed(
    http: TestHTTPClient, comfyui: str
) -> None:
    """DynamoDB deletes expired items in any order; here it deletes the parameters first."""
    ids = accept_many(http, 1)
    JobParameters(f"parameters:{ids[1]}").delete()
    listed = all_items(http, f"{JOBS}?limit=3")
    assert [job["id"] for job in listed] == [ids[0], *ids[2:]]
    check_error(http.get(f"{JOBS}/{ids[1]}"), 404)


def test_pages_skip_jobs_whose_parameters_have_expired(http: TestHTTPClient, comfyui: str) -> None:
    ids = accept_many(http, 1)
    for each in ids[1:3]:
        JobParameters(f"parameters:{each}").delete()
    first, *rest = pages(http, f"{JOBS}?limit=2")
    assert [job["id"] for job in first] == [ids[0], ids[3]]
    assert [job["id"] for page in rest for job in page] == ids[4:]


def test_parameters_are_kept_for_longer_than_their_job(http: TestHTTPClient, comfyui: str) -> None:
    [job_id] = [generate_later(http).json_body["id"]]
    extra_seconds = (
        JobParameters.get(f"parameters:{job_id}").expires_at - Job.find(job_id).expires_at
    )
    assert extra_seconds >= 7 * 86_400

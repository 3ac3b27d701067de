"""`Prefer`: how long a caller waits, and the response if the image is not finished by then."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from chalice.test import TestHTTPClient

from chalicelib.bootstrap import services
from local.comfyui.background import serve
from tests.api.calls import generate_later, path_of, send, without_wait
from tests.api.contract import check_cors
from tests.conftest import Messages
from tests.environment import CHECKPOINT, COMFYUI_PORT

JOB_KEYS = {
    "id",
    "priority",
    "status",
    "status_reason",
    "progress",
    "queue_position",
    "queue_position_is_minimum",
    "estimated_wait_seconds",
    "created_at",
    "expires_at",
    "started_at",
    "finished_at",
    "attempts",
    "post_id",
    "schedule_id",
    "scheduled_at",
    "seed",
    "metadata",
    "image_urls",
    "gpu_seconds",
    "gpu_cost",
    "error",
}
BODY = {"prompt": "a pier", "width": 64, "height": 64, "seed": 3}
MALFORMED = [
    "",
    "wait",
    "wait=",
    "wait=-1",
    "wait=1.5",
    "wait=soon",
    "await=0",
    "respond-asynchronously",
    "respond async",
    ";;,,==",
    '"respond-async"',
]


def ask(http: TestHTTPClient, prefer: str) -> Any:
    return send(http, "POST", "/api/images/generate", BODY, prefer=prefer)


def messages() -> list[str]:
    """Return the messages that SQS delivers now."""
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [message["Body"] for message in received.get("Messages", [])]


def test_an_asynchronous_request_returns_its_job(http: TestHTTPClient, comfyui: str) -> None:
    response = ask(http, "respond-async")
    assert response.status_code == 202
    job = response.json_body
    assert job.keys() == JOB_KEYS
    assert (job["status"], job["seed"], job["image_urls"]) == ("queued", 3, [])
    assert (job["attempts"], job["error"], job["finished_at"]) == ([], None, None)
    assert job["metadata"].items() >= BODY.items()
    check_cors(response.headers)


def test_an_asynchronous_response_has_location_and_retry_after(
    http: TestHTTPClient, comfyui: str
) -> None:
    response = ask(http, "respond-async")
    assert path_of(response.headers["Location"]) == f"/api/images/jobs/{response.json_body['id']}"
    assert response.headers["Retry-After"].isdigit()
    assert response.headers["Preference-Applied"] == "respond-async"
    job = http.get(path_of(response.headers["Location"])).json_body
    assert without_wait(job) == without_wait(response.json_body)


def test_an_asynchronous_response_has_no_queue_position(http: TestHTTPClient, comfyui: str) -> None:
    positions = [ask(http, "respond-async").json_body["queue_position"] for _ in range(2)]
    assert positions == [None, None]
    jobs = http.get("/api/images/jobs").json_body
    assert sorted(job["queue_position"] for job in jobs) == [0, 1]


def test_an_asynchronous_request_calls_a_follower_without_delay(
    http: TestHTTPClient, comfyui: str, sent: Messages
) -> None:
    ask(http, "respond-async")
    assert len(sent) == 1
    assert messages() == ["static"]


def test_a_synchronous_request_sends_its_message_with_a_delay(
    http: TestHTTPClient, comfyui: str, sent: Messages
) -> None:
    assert ask(http, "wait=3").status_code == 200
    assert len(sent) == 1
    assert messages() == []


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=3", "wait=3"),
        ("wait=25", "wait=25"),
        ("wait=26", "wait=26"),
        ("wait=9999999999999", "wait=450"),
        ("wait=007", "wait=7"),
        ('Wait = "10"', "wait=10"),
        ("handling=strict, wait=5; x=y", "wait=5"),
        ("respond-async, wait=10", "respond-async, wait=10"),
    ],
)
def test_a_wait_is_applied_up_to_its_limit(
    http: TestHTTPClient, comfyui: str, prefer: str, applied: str
) -> None:
    response = ask(http, prefer)
    assert response.status_code == 200, response.body
    assert response.headers["Preference-Applied"] == applied
    assert "Retry-After" not in response.headers


def test_a_wait_of_zero_returns_the_job(http: TestHTTPClient, comfyui: str) -> None:
    response = ask(http, "wait=0")
    assert response.status_code == 202
    assert response.headers["Preference-Applied"] == "wait=0"


def test_malformed_preferences_are_ignored(http: TestHTTPClient, comfyui: str) -> None:
    for prefer in MALFORMED:
        response = ask(http, prefer)
        assert response.status_code == 200, (prefer, response.body)
        assert "Preference-Applied" not in response.headers


def test_without_a_preference_the_request_waits_for_the_image(
    http: TestHTTPClient, comfyui: str
) -> None:
    response = send(http, "POST", "/api/images/generate", BODY)
    assert response.status_code == 200
    assert "Preference-Applied" not in response.headers


def test_a_request_whose_image_takes_longer_than_the_wait_returns_its_job(
    http: TestHTTPClient, sent: Messages, tmp_path: Path
) -> None:
    with serve(tmp_path, CHECKPOINT, port=COMFYUI_PORT, step_seconds=2.0):
        response = ask(http, "wait=1")
        assert response.status_code == 202, response.body
        assert response.json_body["status"] == "running"
        assert [each["reason"] for each in response.json_body["attempts"]] == ["first"]
        assert len(sent) >= 1
        busy = http.get("/api/images/comfyui/status").json_body
    assert busy["status"] == "busy"
    assert "1 job running" in busy["message"]


def test_two_asynchronous_requests_make_two_jobs(
    http: TestHTTPClient, comfyui: str, sent: Messages
) -> None:
    services().inventory.observe()
    ids = {generate_later(http, seed=1).json_body["id"] for _ in range(2)}
    assert len(ids) == 2
    assert len(sent) == 1  # one follower takes both

"""`POST /api/images/jobs/{job_id}/cancel`: canceling one job."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest
from chalice.test import HTTPResponse, TestHTTPClient

from chalicelib.bootstrap import services
from chalicelib.errors import JobFinished
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import newest
from local.comfyui.background import serve
from tests.api.calls import JOBS, generate, generate_later, put_setting, send
from tests.api.contract import check_cors, check_error
from tests.contracts.protocol import ComfyUI
from tests.environment import CHECKPOINT, COMFYUI_PORT

BODY = {"prompt": "a pier", "width": 64, "height": 64, "steps": 150}
CANCELED = ("canceled", "canceled")


def cancel(http: TestHTTPClient, job_id: str) -> HTTPResponse:
    return send(http, "POST", f"{JOBS}/{job_id}/cancel")


def job_of(response: HTTPResponse) -> str:
    return str(response.headers["Location"].rpartition("/")[2])


def status_and_code(job: dict[str, Any]) -> tuple[str, str]:
    return job["status"], job["error"]["code"]


@pytest.fixture
def slow(http: TestHTTPClient, tmp_path: Path) -> Iterator[ComfyUI]:
    """A ComfyUI that takes a minute for an image."""
    with serve(tmp_path, CHECKPOINT, port=COMFYUI_PORT, step_seconds=0.4) as url:
        yield ComfyUI(url, CHECKPOINT)


@contextmanager
def waiting_caller(http: TestHTTPClient, gpu: ComfyUI, **how: str) -> Iterator[Any]:
    """Request an image in a thread; yield a list: the job's id, then also the response."""
    answers: list[Any] = []
    with threaded(lambda: answers.append(generate_slowly(http, **how))) as thread:
        # The application handles one request at a time, as in Lambda, so this asks ComfyUI.
        eventually(thread, lambda: gpu.get("/queue").json()["queue_running"])
        answers += newest(1, status="running")
        yield answers


@contextmanager
def threaded(work: Callable[[], Any]) -> Iterator[Thread]:
    thread = Thread(target=work)
    thread.start()
    try:
        yield thread
    finally:  # After a failed test no job may run during the next one.
        for job_id in [*newest(9, status="running"), *newest(9, status="queued")]:
            with suppress(JobFinished):
                services().cancellation.cancel(job_id)
        thread.join()


def eventually(thread: Thread, is_true: Callable[[], Any]) -> None:
    """Wait until a condition is true; fail if the thread ends before."""
    while not is_true():
        thread.join(timeout=0.05)
        assert thread.is_alive()


def generate_slowly(http: TestHTTPClient, **how: str) -> HTTPResponse:
    return send(http, "POST", "/api/images/generate", BODY, **how)


def test_a_queued_job_can_be_canceled(http: TestHTTPClient, comfyui: str) -> None:
    job = generate_later(http).json_body
    response = cancel(http, job["id"])
    assert response.status_code == 200, response.body
    check_cors(response.headers)
    canceled = response.json_body
    assert status_and_code(canceled) == CANCELED
    assert canceled["finished_at"] >= job["created_at"]
    assert (canceled["image_urls"], canceled["queue_position"]) == ([], None)
    changed = {"status", "error", "finished_at", "queue_position", "estimated_wait_seconds"}
    assert {name for name in job if canceled[name] != job[name]} <= changed
    assert canceled.keys() == job.keys()
    assert http.get(f"{JOBS}/{job['id']}").json_body == canceled
    assert [each["id"] for each in http.get(f"{JOBS}?status=canceled").json_body] == [job["id"]]
    assert http.get(f"{JOBS}?status=queued").json_body == []


def test_a_worker_does_not_start_a_canceled_job(http: TestHTTPClient, comfyui: str) -> None:
    job_id = generate_later(http).json_body["id"]
    cancel(http, job_id)
    services().worker.work(job_id, remaining_seconds=90)
    job = http.get(f"{JOBS}/{job_id}").json_body
    assert (status_and_code(job), job["attempts"]) == (CANCELED, [])


def test_canceling_twice_returns_the_same_response(http: TestHTTPClient, comfyui: str) -> None:
    job_id = generate_later(http).json_body["id"]
    first, second = cancel(http, job_id), cancel(http, job_id)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json_body == second.json_body


def test_the_job_id_may_be_in_lower_case(http: TestHTTPClient, comfyui: str) -> None:
    job_id = generate_later(http).json_body["id"]
    assert cancel(http, job_id.lower()).json_body["id"] == job_id


def test_canceling_an_unknown_job_returns_404(http: TestHTTPClient) -> None:
    for job_id in ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "x", "²", "x" * 41, "caller:0"):
        check_error(cancel(http, job_id), 404)


def test_canceling_a_succeeded_job_returns_409_with_the_job(
    http: TestHTTPClient, comfyui: str
) -> None:
    job_id = job_of(generate(http))
    details: Any = check_error(cancel(http, job_id), 409)
    assert (details["job"]["id"], details["job"]["status"]) == (job_id, "succeeded")
    assert len(details["job"]["image_urls"]) == 1
    assert "succeeded" in details["error"]
    assert http.get(f"{JOBS}/{job_id}").json_body["status"] == "succeeded"


def test_canceling_a_failed_job_returns_409_with_the_job(
    http: TestHTTPClient, comfyui: str
) -> None:
    put_setting(http, "default_checkpoint", "none.safetensors")
    check_error(generate(http), 500)
    [job] = http.get(JOBS).json_body
    details: Any = check_error(cancel(http, job["id"]), 409)
    assert details["job"] == job
    assert status_and_code(details["job"]) == ("failed", "workflow_rejected")


def test_canceling_a_running_job_stops_its_execution_and_returns_409_to_its_caller(
    http: TestHTTPClient, slow: ComfyUI
) -> None:
    with waiting_caller(http, slow, idempotency_key="k") as answers:
        response = cancel(http, answers[0])
        assert status_and_code(response.json_body) == CANCELED
    queue = slow.get("/queue").json()
    assert (queue["queue_running"], queue["queue_pending"]) == ([], [])
    assert InstanceRecord.read("static").slot_holders == set()
    details = check_error(answers[1], 409)
    assert answers[1].json_body["message"] == "Job canceled"
    assert details["code"] == "canceled"
    assert "Idempotency-Key" in details["suggestion"]
    assert boto3.client("s3").list_objects_v2(Bucket="images")["KeyCount"] == 0
    # The same request with the same key returns the same error and makes no new job.
    for prefer in ("", "respond-async"):
        again = generate_slowly(http, idempotency_key="k", prefer=prefer)
        assert again.json_body == answers[1].json_body
        assert check_error(again, 409)["code"] == "canceled"
    assert len(http.get(JOBS).json_body) == 1


def test_after_a_cancellation_the_next_image_is_generated(
    http: TestHTTPClient, slow: ComfyUI
) -> None:
    with waiting_caller(http, slow) as answers:
        cancel(http, answers[0])
    assert generate(http, steps=1).status_code == 200


def test_canceling_a_job_in_comfyuis_queue_removes_it_and_keeps_the_running_job(
    http: TestHTTPClient, slow: ComfyUI
) -> None:
    with waiting_caller(http, slow) as answers:
        waiting = generate_later(http).json_body["id"]
        with threaded(lambda: services().worker.work("static", remaining_seconds=30)) as driver:
            eventually(driver, lambda: slow.get("/queue").json()["queue_pending"])
            assert cancel(http, waiting).status_code == 200
            queue = slow.get("/queue").json()
            assert [item[1] for item in queue["queue_running"]] == [attempt_id(answers[0], 1)]
            assert queue["queue_pending"] == []
            cancel(http, answers[0])
    assert status_and_code(http.get(f"{JOBS}/{waiting}").json_body) == CANCELED
    assert Job.find(waiting).images == []

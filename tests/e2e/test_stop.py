"""Stopping the GPU of the deployed stack: it drains, or its jobs go back, and nothing starts."""

from typing import Any

import pytest

from local.stack.processes import wait_until
from tests.e2e.conftest import Stack

STATUS = "/api/images/comfyui/status"
STOP, START = "/api/images/comfyui/stop", "/api/images/comfyui/start"
BY_ADMIN = "stopped by an administrator"


@pytest.fixture
def running(stack: Stack) -> str:
    """The URL of a job that runs, on a GPU that is on."""
    stack.call("POST", START)
    job_url = stack.accepted(steps=150)
    wait_until(lambda: stack.job(job_url)["status"] == "running", "the execution", seconds=120)
    return job_url


def state(stack: Stack) -> str:
    described = stack.emulator.client("ec2").describe_instances(InstanceIds=[stack.gpu.id])
    return str(described["Reservations"][0]["Instances"][0]["State"]["Name"])


def reconciled_state(stack: Stack) -> str:
    """Return the state after a round of the reconciler: it stops what has no job any more."""
    stack.reconcile()
    return state(stack)


def stop(stack: Stack, **wanted: Any) -> dict[str, Any]:
    answer = stack.call("POST", STOP, json=wanted)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def start(stack: Stack) -> None:
    """Start the GPU, which may still be stopping."""
    wait_until(lambda: stack.call("POST", START).status_code == 200, "a start", seconds=60)


def message(stack: Stack) -> str:
    return str(stack.call("GET", STATUS).json()["message"])


def reasons(job: dict[str, Any]) -> list[str]:
    return [each["reason"] for each in job["attempts"]]


def test_a_gpu_drains_its_job_finishes_and_the_next_one_waits_for_a_start(
    stack: Stack, running: str
) -> None:
    answer = stop(stack)
    assert "1 when its job has ended" in answer["message"]
    later = stack.accepted()
    job = stack.finished(running)
    assert (job["status"], reasons(job)) == ("succeeded", ["first"])
    wait_until(lambda: reconciled_state(stack) == "stopped", "the stop", seconds=90)
    assert BY_ADMIN in message(stack)
    assert stack.job(later)["attempts"] == []
    start(stack)
    assert stack.finished(later)["status"] == "succeeded"


def test_with_now_a_running_job_goes_back_and_finishes_after_a_start(
    stack: Stack, running: str
) -> None:
    answer = stop(stack, now=True)
    assert answer["waiting_jobs"] == 1
    # A function may know a snapshot of the queue that is up to two seconds old.
    wait_until(lambda: stack.job(running)["status"] == "queued", "the queue", seconds=5)
    assert BY_ADMIN in stack.job(running)["status_reason"]
    wait_until(lambda: state(stack) == "stopped", "the stop", seconds=30)
    start(stack)
    job = stack.finished(running)
    stopped = "the GPU was stopped by an administrator"
    assert (job["status"], reasons(job)) == ("succeeded", ["first", stopped])
    assert len(job["image_urls"]) == 1


def test_a_job_waits_until_a_hold_is_over_and_then_starts_the_gpu(stack: Stack) -> None:
    stop(stack, now=True, for_seconds=20)
    body = {"prompt": "a lighthouse", "width": 64, "height": 64, "steps": 1}
    answer = stack.call("POST", "/api/images/generate", json=body)
    assert answer.status_code == 202
    job_url = answer.headers["Location"]
    wait_until(
        lambda: BY_ADMIN in (stack.job(job_url)["status_reason"] or ""), "the reason", seconds=20
    )
    assert stack.job(job_url)["status"] == "queued"
    wait_until(lambda: BY_ADMIN not in message(stack), "the end of the hold", seconds=40)
    stack.reconcile()
    wait_until(lambda: stack.job(job_url)["status"] == "succeeded", "the image", seconds=150)


def test_a_key_without_the_scope_admin_may_not_stop(stack: Stack) -> None:
    assert stack.new_api("no admin").call("POST", STOP).status_code == 403

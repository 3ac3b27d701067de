"""`POST /api/images/comfyui/stop`: GPUs drain or stop at once, and none starts for some time."""

from collections.abc import Iterator
from typing import Any

import pytest
from chalice.test import HTTPResponse, TestHTTPClient
from msgspec import structs

from chalicelib import bootstrap
from chalicelib.config import config
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from tests.api.calls import send
from tests.api.contract import check_error
from tests.conftest import forget_services
from tests.infra.deployment import SMALL, Deployment
from tests.infra.recording import Recorder

STOP, START = "/api/images/comfyui/stop", "/api/images/comfyui/start"
BY_ADMIN = "the GPU is stopped by an administrator until "


@pytest.fixture
def deployment(aws: None, comfyui: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A deployment whose instance is on and ready."""
    with_gpus = structs.replace(config, comfyui_url="", gpu_types="", warm_up=0)
    monkeypatch.setattr(bootstrap, "config", with_gpus)
    recorder = Recorder()
    deployed = Deployment(recorder, comfyui)
    deployed.observe()
    yield deployed
    recorder.end()


def state(deployment: Deployment) -> str:
    described = deployment.ec2.describe_instances(InstanceIds=[deployment.gpu])
    return str(described["Reservations"][0]["Instances"][0]["State"]["Name"])


def stop(deployment: Deployment, **wanted: Any) -> dict[str, Any]:
    answer = deployment.call("POST", STOP, wanted or None)
    assert answer.status_code == 200, answer.body
    return dict(answer.json_body)


def refused(deployment: Deployment, path: str, body: bytes = b"") -> HTTPResponse:
    http = deployment.clients[("admin",)]
    return http.request("POST", path, headers={"content-type": "application/json"}, body=body)


def running(deployment: Deployment) -> str:
    """Return a job whose driver has died after it wrote an attempt."""
    job_id = deployment.accepted()
    assert InstanceRecord(deployment.gpu).acquire_slot(job_id, now=0)
    attempt = {"id": attempt_id(job_id, 1), "instance_id": deployment.gpu, "started_at": 1}
    begun = (Job.attempts.set([{**attempt, "reason": "first"}]), Job.status.set("running"))
    Job(job_id).update([*begun, Job.due_at.set(0), Job.queue.remove()])
    return job_id


def shown(deployment: Deployment, job_id: str) -> dict[str, Any]:
    forget_services()  # a function knows a snapshot of the queue for a second
    return dict(deployment.call("GET", f"/api/images/jobs/{job_id}").json_body)


def test_an_idle_gpu_is_stopped_in_the_request_without_a_body(deployment: Deployment) -> None:
    answer = stop(deployment)
    assert state(deployment) == "stopped"
    assert answer.keys() == {"status", "message", "waiting_jobs", "held_until"}
    assert (answer["status"], answer["waiting_jobs"]) == ("success", 0)
    assert answer["message"].startswith("ComfyUI stops: 1 instance; 0 jobs wait; nothing starts un")


def test_a_stop_of_what_is_off_says_so_and_holds(deployment: Deployment) -> None:
    deployment.turn("off")
    answer = stop(deployment, for_seconds=604_800)
    assert answer["message"].startswith("No instance has to be stopped; 0 jobs wait; nothing st")
    assert answer["held_until"].endswith("Z")


@pytest.mark.parametrize("at_once", [False, True])
def test_a_stop_can_be_repeated(deployment: Deployment, at_once: bool) -> None:  # noqa: FBT001
    job_id = running(deployment)
    for _ in range(2):
        answer = stop(deployment, now=at_once)
        assert answer["waiting_jobs"] == int(at_once)
    assert (state(deployment) == "stopped") is at_once
    assert shown(deployment, job_id)["status"] == ("queued" if at_once else "running")


def test_a_gpu_with_a_job_drains_and_is_stopped_when_the_job_has_ended(
    deployment: Deployment,
) -> None:
    job_id = running(deployment)
    answer = stop(deployment)
    expected = "ComfyUI stops: 1 instance, 1 when its job has ended; 0 jobs wait; nothing starts un"
    assert answer["message"].startswith(expected)
    later = deployment.accepted()
    deployment.work()
    assert shown(deployment, job_id)["status"] == "succeeded"
    assert shown(deployment, later)["attempts"] == []
    assert state(deployment) == "running"
    deployment.reconcile()
    assert state(deployment) == "stopped"


def test_with_0_seconds_the_next_job_starts_what_has_stopped(deployment: Deployment) -> None:
    job_id, began_at = running(deployment), InstanceRecord.read(deployment.gpu).on_since
    answer = stop(deployment, for_seconds=0)
    assert answer["message"].endswith(
        "1 when its job has ended; 0 jobs wait; the next job starts it again"
    )
    assert answer["held_until"] is None
    later = deployment.accepted()
    deployment.work()
    deployment.reconcile()
    deployment.observe()
    deployment.work()
    assert {shown(deployment, each)["status"] for each in (job_id, later)} == {"succeeded"}
    assert InstanceRecord.read(deployment.gpu).on_since > began_at


def test_with_now_a_running_job_goes_back_into_the_queue(deployment: Deployment) -> None:
    waiting, job_id = deployment.accepted(), running(deployment)
    answer = stop(deployment, now=True)
    assert state(deployment) == "stopped"
    assert answer["waiting_jobs"] == 2
    job = shown(deployment, job_id)
    assert job["status"] == "queued"
    assert job["status_reason"].startswith(BY_ADMIN)
    assert job["queue_position"] < shown(deployment, waiting)["queue_position"]
    assert not InstanceRecord.read(deployment.gpu).slot_holders


def test_a_job_that_was_put_back_finishes_after_a_start(deployment: Deployment) -> None:
    job_id = running(deployment)
    stop(deployment, now=True)
    assert deployment.call("POST", START).status_code == 200
    deployment.observe()
    deployment.work()
    job = shown(deployment, job_id)
    reasons = [each["reason"] for each in job["attempts"]]
    assert (job["status"], len(job["image_urls"])) == ("succeeded", 1)
    assert reasons == ["first", "the GPU was stopped by an administrator"]


def test_under_a_hold_jobs_are_accepted_and_wait_with_the_reason(deployment: Deployment) -> None:
    until = stop(deployment)["message"].partition("until ")[2]
    answer = deployment.call("POST", "/api/images/generate", SMALL, prefer="wait=20")
    assert answer.status_code == 202
    deployment.work("start")
    deployment.reconcile()
    assert state(deployment) == "stopped"
    job = shown(deployment, answer.json_body["id"])
    assert (job["status"], job["status_reason"]) == ("queued", f"{BY_ADMIN}{until}")
    assert (job["queue_position"], job["estimated_wait_seconds"]) == (0, None)
    status = deployment.call("GET", "/api/images/comfyui/status").json_body
    assert status.keys() == {"status", "message"}
    assert (
        status["message"] == f"The GPU is stopped by an administrator until {until}. "
        "0 jobs running, 1 job waiting."
    )


def test_a_start_ends_a_hold_and_calls_a_worker_for_the_jobs_that_wait(
    deployment: Deployment,
) -> None:
    stop(deployment)
    job_id = deployment.accepted()
    deployment.call("POST", START)
    assert state(deployment) == "running"
    assert BY_ADMIN not in shown(deployment, job_id)["status_reason"]
    deployment.observe()
    deployment.work()
    assert shown(deployment, job_id)["status"] == "succeeded"


def test_a_start_lets_a_gpu_that_drains_serve_on(deployment: Deployment) -> None:
    job_id = running(deployment)
    stop(deployment)
    assert deployment.call("POST", START).status_code == 200
    later = deployment.accepted()
    deployment.work()
    deployment.reconcile()
    assert {shown(deployment, each)["status"] for each in (job_id, later)} == {"succeeded"}
    assert [len(shown(deployment, each)["attempts"]) for each in (job_id, later)] == [2, 1]


def test_a_gpu_with_the_keep_tag_stays_on_and_goes_on(deployment: Deployment) -> None:
    tag = [{"Key": "darkroom:keep", "Value": ""}]
    deployment.ec2.create_tags(Resources=[deployment.gpu], Tags=tag)
    forget_services()
    answer = stop(deployment, now=True)
    assert "1 instance stays on, as the operator has set" in answer["message"]
    deployment.reconcile()
    job_id = deployment.accepted()
    deployment.work()
    assert (state(deployment), shown(deployment, job_id)["status"]) == ("running", "succeeded")


def test_a_gpu_that_ec2_does_not_stop_is_stopped_by_the_reconciler(deployment: Deployment) -> None:
    InstanceRecord(deployment.gpu).update([InstanceRecord.stop_requested_at.set(1)])
    assert not InstanceRecord(deployment.gpu).acquire_slot("01J", now=2**40)
    deployment.reconcile()  # as if the function had died after it wrote the request
    assert state(deployment) == "stopped"


def test_a_gpu_whose_start_was_under_way_is_stopped_by_the_reconciler_under_a_hold(
    deployment: Deployment,
) -> None:
    stop(deployment)
    deployment.turn("on")
    InstanceRecord(deployment.gpu).started(now=StartSeries.read(now=0).held_until)
    deployment.reconcile()
    assert state(deployment) == "stopped"


@pytest.mark.parametrize(
    "body",
    [
        b'{"now": "yes"}',
        b'{"for_seconds": -1}',
        b'{"for_seconds": 604801}',
        b'{"for_seconds": 1.5}',
        b'{"until": 5}',
        b"[]",
    ],
)
def test_a_wrong_body_stops_nothing(deployment: Deployment, body: bytes) -> None:
    check_error(refused(deployment, STOP, body), 400)
    assert state(deployment) == "running"


def test_a_key_without_the_scope_admin_may_not_stop(deployment: Deployment) -> None:
    assert deployment.call("POST", STOP, admin=False).status_code == 403
    assert state(deployment) == "running"


def test_a_comfyui_at_a_fixed_address_cannot_be_stopped(http: TestHTTPClient, comfyui: str) -> None:
    details = check_error(send(http, "POST", STOP, {"now": True}), 409)
    assert "neither starts nor stops" in details["error"]
    assert send(http, "POST", "/api/images/generate", SMALL).status_code == 200

"""A deployment whose first GPU instance could not be launched: the API works, and jobs wait."""

from collections.abc import Iterator

import boto3
import pytest
from msgspec import structs

from chalicelib import bootstrap
from chalicelib.config import config
from infra.deploy.fleet import Notes
from tests.conftest import forget_services
from tests.infra.deployment import SMALL, Deployment
from tests.infra.recording import Recorder

GENERATE = "/api/images/generate"
REASON = "there is no GPU instance yet: EC2 has no capacity right now"


@pytest.fixture
def deployment(aws: None, comfyui: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    with_gpus = structs.replace(config, comfyui_url="", gpu_types="g5.xlarge", warm_up=0)
    monkeypatch.setattr(bootstrap, "config", with_gpus)
    recorder = Recorder()
    deployed = Deployment(recorder, comfyui)
    deployed.ec2.terminate_instances(InstanceIds=[deployed.gpu])
    yield deployed
    recorder.end()


@pytest.fixture
def notes() -> Notes:
    found = Notes(boto3.client("dynamodb"), config.fleet_table)
    found.put("EC2 has no capacity right now")
    return found


def wait_reason(deployment: Deployment, job_id: str) -> tuple[str, str]:
    job = deployment.call("GET", f"/api/images/jobs/{job_id}").json_body
    return job["status"], job["status_reason"]


def test_a_job_is_accepted_and_waits_with_the_reason(deployment: Deployment, notes: Notes) -> None:
    answer = deployment.call("POST", GENERATE, SMALL, prefer="wait=5")
    assert answer.status_code == 202
    deployment.work("start")
    deployment.reconcile()
    forget_services()  # a function knows a snapshot of the queue for a second
    assert wait_reason(deployment, answer.json_body["id"]) == ("starting", REASON)


def test_the_status_and_a_start_say_why_there_is_none(deployment: Deployment, notes: Notes) -> None:
    status = deployment.call("GET", "/api/images/comfyui/status").json_body
    assert status["status"] == "unavailable"
    assert REASON in status["message"]
    http = deployment.clients[("admin",)]
    headers = {"content-type": "application/json"}
    started = http.request("POST", "/api/images/comfyui/start", headers=headers, body=b"")
    assert started.status_code == 503
    assert REASON in started.json_body["details"]["error"]


def test_the_job_runs_once_an_instance_exists(
    deployment: Deployment, notes: Notes, comfyui: str
) -> None:
    job_id = deployment.accepted()
    tags = {"darkroom:fleet": config.fleet_tag, "darkroom:endpoint": comfyui}
    deployment.gpu = deployment._launch(tags)
    notes.clear()
    forget_services()
    deployment.reconcile()
    deployment.work()
    assert wait_reason(deployment, job_id)[0] == "succeeded"


def test_a_deployment_that_was_to_have_no_instance_refuses_jobs(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    http = deployment.clients[("admin",)]
    headers = {"content-type": "application/json"}
    answer = http.request("POST", GENERATE, headers=headers, body=b'{"prompt": "a"}')
    assert answer.status_code == 503
    details = answer.json_body["details"]
    assert details["error"] == "there is no GPU instance"
    # A caller reads what a caller can do; the log, what the operator can do.
    assert details["suggestion"] == "Try again later; if it fails again, report it to the operator"
    assert "run `make deploy` with a FleetSize of 1 or more" in caplog.text

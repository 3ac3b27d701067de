"""Each function's role allows what its code calls, and nothing else."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from msgspec import structs

from chalicelib import bootstrap
from chalicelib.config import config
from chalicelib.models import table
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.models.keys.api_key import ApiKey
from chalicelib.models.schedules.run import Run
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.models.usage import DayUsage
from infra.template import declared
from tests.conftest import forget_services
from tests.infra.deployment import SMALL, Deployment
from tests.infra.recording import Recorder, allowed, allows, statements
from tests.services.schedules import in_aws

TEMPLATE = declared()
ROLES = {
    "APIHandler": "ApiRole",
    "Authorizer": "AuthorizerRole",
    "Worker": "WorkerRole",
    "Runs": "RunsRole",
    "Reconciler": "ReconcilerRole",
    "Reclaim": "ReclaimRole",
    "Pages": "PagesRole",
}

# What Lambda itself does with a function's role: logs, addresses in the network, messages.
LAMBDAS = (
    "logs:",
    "kms:CreateGrant",  # EC2 does, with the function's right to start an instance
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
)
# Actions without resource types (AWS service authorization reference), and Lambda's on network
# interfaces that do not exist yet when the policy is written.
EVERYWHERE = (
    "ec2:DescribeInstances",
    "scheduler:ListSchedules",
    *(each for each in LAMBDAS if each.startswith("ec2:")),
    "ssm:UpdateInstanceInformation",
    "ssmmessages:",
)


@pytest.fixture
def deployment(aws: None, comfyui: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    with_gpus = structs.replace(
        config, comfyui_url="", gpu_types="g5.xlarge", idle_stop_seconds=0, warm_up=0
    )
    monkeypatch.setattr(bootstrap, "config", with_gpus)
    table._shared.cache_clear()
    recorder = Recorder()
    yield Deployment(recorder, comfyui)
    recorder.end()
    table._shared.cache_clear()


def serve_catalogs(deployment: Deployment) -> None:
    for catalog, body in {
        "styles": {"name": "a", "description": "", "prompt_template": "{prompt}"},
        "prompt_examples": {"title": "a", "prompt": "b", "category": "c"},
    }.items():
        path = f"/api/images/{catalog}"
        deployment.call("GET", path)
        item = f"{path}/{deployment.call('POST', path, body).json_body['id']}"
        deployment.call("GET", item)
        deployment.call("PUT", item, {**body, next(iter(body)): "z"})
        deployment.call("DELETE", item)


def serve_images(deployment: Deployment) -> None:
    generate = "/api/images/generate"
    deployment.observe()
    assert deployment.call("POST", generate, SMALL).status_code == 200
    for _ in range(2):
        deployment.call("POST", generate, SMALL, idempotency_key="a")
        deployment.call("POST", generate, {**SMALL, "style_id": 1}, admin=False)
    post = "/api/v1/posts/7"
    deployment.call("POST", f"{post}/generate_images", {**SMALL, "count": 2})
    deployment.call("GET", f"{post}/images")
    jobs = deployment.call("GET", "/api/images/jobs").json_body
    for path in ("?status=succeeded", f"/{jobs[0]['id']}"):
        deployment.call("GET", f"/api/images/jobs{path}")
    deployment.call("GET", "/api/images/jobs", admin=False)
    for path in ("", "/provenance"):
        deployment.call("GET", f"/api/images/files/{jobs[0]['id']}-0{path}")
    deployment.call("GET", "/api/images/usage?group_by=post")
    for what in ("status", "instances"):
        deployment.call("GET", f"/api/images/comfyui/{what}")


def cancel(deployment: Deployment) -> None:
    for is_working in (False, True):
        job_id = deployment.accepted()
        if is_working:
            abandon(job_id, deployment.gpu)
        deployment.call("POST", f"/api/images/jobs/{job_id}/cancel")
        store(job_id)  # as a driver may that does not know of the cancellation
        if is_working:  # as if the function had died before it freed the slot
            InstanceRecord(deployment.gpu).acquire_slot(job_id, now=0)
        deployment.work()
    store(job_id)
    deployment.call("POST", f"/api/images/jobs/{job_id}/cancel")  # it has no slot any more


def abandon(job_id: str, gpu: str, running: str | None = None) -> None:
    """Change a job as if a driver had submitted it, stored its image, and died."""
    store(job_id)
    InstanceRecord(gpu).acquire_slot(job_id, now=0)
    attempt = {"id": running or attempt_id(job_id, 1), "instance_id": gpu, "started_at": 1}
    attempts = Job.attempts.set([{**attempt, "reason": "x"}])
    Job(job_id).update([attempts, Job.due_at.set(0), Job.queue.remove()])


def store(job_id: str) -> None:
    boto3.client("s3").put_object(Bucket="images", Key=f"images/{job_id}/0.png", Body=b"")


def start_from_off(deployment: Deployment) -> None:
    """Let each function that may start the instance do so, and the reconciler stop it."""
    deployment.accepted()
    for start in (
        lambda: deployment.call("POST", "/api/images/comfyui/start"),
        lambda: deployment.work("start"),
        deployment.reconcile,
    ):
        deployment.turn("off")
        deployment.ec2.modify_instance_attribute(
            InstanceId=deployment.gpu, InstanceType={"Value": "g4dn.xlarge"}
        )
        # As if the last start had been long ago.
        InstanceRecord(":starts").delete()
        InstanceRecord(deployment.gpu).update([InstanceRecord.on_since.remove()])
        start()
    deployment.work()


def recover(deployment: Deployment) -> None:
    [done] = deployment.call("GET", "/api/images/jobs?status=succeeded&limit=1").json_body
    lost, old, late = (deployment.accepted() for _ in range(3))
    abandon(lost, deployment.gpu)
    abandon(old, deployment.gpu)
    abandon(late, deployment.gpu, Job.find(done["id"]).attempts[-1].id)  # whose image is ready
    Job(old).update([Job.waits_until.set(1)])
    Job(late).update([Job.waits_until.set(time.time() - 5)])
    InstanceRecord("i-gone").note("stopped", now=1, is_on=False)
    for _ in range(3):
        deployment.reconcile()
    deployment.work()
    deployment.reconcile()


def schedule(deployment: Deployment) -> None:
    """Write schedules as callers do, and have their messages come."""
    request = {**SMALL, "style_id": 1}
    body = {"name": "a", "expression": "rate(1 minute)", "request": request, "overlap": "skip"}
    path = "/api/images/schedules"
    for key in ("a", "a", "b"):
        made = deployment.call("POST", path, body, idempotency_key=key).json_body
    deployment.call("POST", path, body, admin=False)
    one = f"{path}/{made['id']}"
    for method, rest, content in (
        ("GET", "/runs", None), ("PUT", "", {**body, "pause_after_failures": 1}),
        ("POST", "/run", None), ("POST", "/pause", None), ("POST", "/resume", None),
    ):  # fmt: skip
        assert deployment.call(method, f"{one}{rest}", content).status_code < 300
    for is_admin in (True, False):
        deployment.call("GET", path, admin=is_admin)
    deployment.call("GET", f"/api/images/jobs?schedule_id={made['id']}")
    deliver_runs(deployment, made["id"])
    deployment.call("DELETE", one)
    watch_schedules(deployment, path)


def deliver_runs(deployment: Deployment, schedule_id: str) -> None:
    forget_services()
    minute = time.time() // 60 * 60
    stored = Schedule(schedule_id)
    stored.update([each.set(minute - 3600) for each in (Schedule.written_at, Schedule.synced_at)])
    deployment.run(schedule_id, minute - 120)  # is skipped, as a job is open
    for job in Job.scan(Job.schedule_id.exists()):
        job.cancel({"code": "canceled", "message": ""}, now=time.time())
    stored.update([Schedule.pause_after_failures.remove()])
    deployment.run(schedule_id, minute - 60)
    stored.update([Schedule.pause_after_failures.set(1)])
    for job in Job.scan(Job.schedule_id.exists()):
        job.update([Job.status.set("failed")])
    deployment.run(schedule_id, minute)  # pauses the schedule


def refuse_runs(deployment: Deployment, comfyui: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have runs refused: by a key's limit, and by a ComfyUI at an address that does not answer."""
    body = {"name": "a", "expression": "rate(1 minute)", "request": SMALL}
    made = deployment.call("POST", "/api/images/schedules", body, admin=False).json_body
    stored, minute = Schedule.find(made["id"]), time.time() // 60 * 60
    stored.update([each.set(minute - 3600) for each in (Schedule.written_at, Schedule.synced_at)])
    for address in (comfyui, "http://127.0.0.1:9"):
        minute -= 60
        with monkeypatch.context() as patch:
            patch.setattr(
                bootstrap, "config", structs.replace(bootstrap.config, comfyui_url=address)
            )
            forget_services()
            deployment.run(made["id"], minute)
    forget_services()
    ApiKey(stored.key_id).update([ApiKey.images_per_day.set(1)])
    deployment.run(made["id"], minute - 60)
    found = {run.reason_code for run in Run.query(made["id"])}
    assert found == {None, "comfyui_unavailable", "limit_reached"}
    deployment.call("DELETE", f"/api/images/schedules/{made['id']}")


def watch_schedules(deployment: Deployment, path: str) -> None:
    """Let the reconciler complete changes, and note runs that never came."""
    body = {"name": "a", "expression": "rate(1 day)", "request": SMALL}
    for _ in range(2):
        deployment.call("POST", path, body)
    left = [each["id"] for each in deployment.call("GET", path).json_body]
    lost, deleted, untold, removed = left
    past = time.time() - 86_400
    overdue = (Schedule.next_run_at.set(past), Schedule.due_at.set(past))
    Schedule(lost).update([*overdue, Schedule.end_at.set(past)])
    changed = (Schedule.changed_until.set(past), Schedule.due_at.set(past))
    Schedule(deleted).update([Schedule.state.set("deleting"), *changed])
    Schedule(untold).update([*changed])
    Schedule(removed).update([Schedule.created_at.set(past)])
    in_aws.remove(removed)
    in_aws.put("stray", age_seconds=7200)
    message = json.dumps({"schedule_id": lost, "scheduled_at": "2026-01-01T00:00:00Z"})
    undelivered = os.environ["UNDELIVERED_RUNS_QUEUE_URL"]
    boto3.client("sqs").send_message(QueueUrl=undelivered, MessageBody=message)
    deployment.reconcile()


def stop_gpus(deployment: Deployment) -> None:
    deployment.turn("on")
    abandon(deployment.accepted(), deployment.gpu)
    body = {"now": True, "for_seconds": 0}
    assert deployment.call("POST", "/api/images/comfyui/stop", body).status_code == 200
    deployment.reconcile()


def manage_keys(deployment: Deployment) -> None:
    path = "/api/images/keys"
    made = deployment.call("POST", path, {"name": "shop", "owner": "shop"}).json_body
    one = f"{path}/{made['id']}"
    for method, rest, content in (
        ("GET", "", None), ("PATCH", "", {"images_per_day": 7}), ("PATCH", "", {}),
        ("POST", "/revoke", None), ("POST", "/revoke", None),
    ):  # fmt: skip
        assert deployment.call(method, f"{one}{rest}", content).status_code == 200
    assert deployment.call("PATCH", one, {"images_per_day": 8}).status_code == 409
    keys = deployment.call("GET", path).json_body
    [admin] = [each["id"] for each in keys if each["scopes"] == ["admin"]]
    for method, rest in (("PATCH", ""), ("POST", "/revoke")):
        assert deployment.call(method, f"{path}/{admin}{rest}").status_code == 403


def run_out_of_budget(deployment: Deployment) -> None:
    deployment.turn("on")
    DayUsage.on(datetime.now(UTC).date()).exhaust(10**6)
    deployment.reconcile()


def is_lambdas(action: str, resource: str) -> bool:
    """Return whether Lambda itself does this; the reconciler itself reads one of the queues."""
    return action.startswith(LAMBDAS) and resource != "UndeliveredRunsQueue"


@pytest.fixture
def recorder(deployment: Deployment, comfyui: str, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    for scenario in (
        serve_catalogs, serve_images, schedule, cancel, recover, start_from_off, manage_keys
    ):  # fmt: skip
        scenario(deployment)
    refuse_runs(deployment, comfyui, monkeypatch)
    stop_gpus(deployment)
    run_out_of_budget(deployment)
    deployment.reclaim()
    return deployment.recorder


def test_every_role_allows_what_its_function_calls_and_nothing_else(recorder: Recorder) -> None:
    calls, wrong = recorder.calls, []
    for function, role in ROLES.items():
        may = {each for each in allowed(TEMPLATE, role) if not is_lambdas(*each)}
        found = {"missing": calls[function] - may, "excess": may - calls[function]}
        wrong += [f"{function}: {kind} {each}" for kind in found for each in sorted(found[kind])]
        # The conditions on partition keys let through what the function reads and writes.
        for action, resource, key in sorted(recorder.keyed[function]):
            if not allows(TEMPLATE, role, (action, resource), [key]):
                wrong.append(f"{function}: {action} of {key} in {resource} is refused")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("action", ["PutItem", "UpdateItem"])
def test_the_api_function_may_write_all_keys_but_those_of_admins(action: str) -> None:
    def may_write(*keys: str) -> bool:
        return allows(TEMPLATE, "ApiRole", (f"dynamodb:{action}", "KeysTable"), [*keys])

    assert may_write("k3yofashop12")
    assert may_write("xadmin123456")
    assert not may_write("admin1234567")
    assert not may_write("k3yofashop12", "admin1234567")
    assert not may_write()


@pytest.mark.parametrize("role", sorted(set(ROLES.values()) - {"AuthorizerRole"}))
def test_no_role_but_the_authorizers_may_write_the_key_of_an_admin(role: str) -> None:
    reading = {"dynamodb:GetItem", "dynamodb:BatchGetItem"}
    on_table = {action for action, resource in allowed(TEMPLATE, role) if resource == "KeysTable"}
    for action in on_table - reading:
        assert not allows(TEMPLATE, role, (action, "KeysTable"), ["admin1234567"]), action


def test_every_function_has_the_role_that_is_tested_here() -> None:
    for function, role in ROLES.items():
        properties = TEMPLATE["Resources"][function]["Properties"]
        assert properties["Role"] == {"Fn::GetAtt": [role, "Arn"]}


@pytest.mark.parametrize("role", [*ROLES.values(), "InstanceRole"])
def test_no_role_allows_actions_by_wildcard_or_on_all_resources_without_need(role: str) -> None:
    for action, resource in allowed(TEMPLATE, role):
        assert "*" not in action
        assert resource != "*" or action.startswith(EVERYWHERE), action


def test_an_instance_may_only_write_its_boot_reports_to_the_bucket_of_images() -> None:
    of_bucket = {each for each in allowed(TEMPLATE, "InstanceRole") if "ImagesBucket" in each[1]}
    assert of_bucket == {("s3:PutObject", "ImagesBucket/boots/*")}
    settings = TEMPLATE["Resources"]["InstanceSettings"]["Properties"]["Value"]["Fn::Sub"]
    assert "\nIMAGES_BUCKET=${ImagesBucket}\n" in settings


def test_roles_may_change_only_instances_with_the_tag_of_the_fleet() -> None:
    tagged = {"aws:ResourceTag/darkroom:fleet": {"Ref": "AWS::StackName"}}
    for role in ROLES.values():
        for each in statements(TEMPLATE, role):
            if "instance/*" in str(each["Resource"]):
                assert each["Condition"]["StringEquals"] == tagged


def test_functions_may_change_the_type_of_an_instance_and_not_its_user_data() -> None:
    changing = [
        each
        for role in ROLES.values()
        for each in statements(TEMPLATE, role)
        if "ec2:ModifyInstanceAttribute" in each["Action"]
    ]
    assert len(changing) == 3
    for each in changing:
        assert each["Action"] == "ec2:ModifyInstanceAttribute"
        assert each["Condition"]["StringEqualsIgnoreCase"] == {"ec2:Attribute": "InstanceType"}


def test_functions_that_start_instances_may_grant_ec2_the_key_of_their_disks() -> None:
    for role in ("ApiRole", "WorkerRole", "ReconcilerRole"):
        [grant] = [
            each for each in statements(TEMPLATE, role) if "kms:CreateGrant" in each["Action"]
        ]
        assert grant["Resource"] == {"Ref": "VolumeKeyArn"}
        assert grant["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}
        [policy] = [
            each["Fn::If"]
            for each in TEMPLATE["Resources"][role]["Properties"]["Policies"]
            if "Fn::If" in each
        ]
        assert policy[0] == "HasVolumeKey"
        assert TEMPLATE["Conditions"]["HasVolumeKey"] == {
            "Fn::Not": [{"Fn::Equals": [{"Ref": "VolumeKeyArn"}, ""]}]
        }

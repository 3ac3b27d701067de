"""`GET /api/images/comfyui/instances`: what administrators read about the GPU instances."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chalice.test import TestHTTPClient
from msgspec import structs

from chalicelib import bootstrap
from chalicelib.config import config
from chalicelib.models import table
from chalicelib.models.fleet import boots
from chalicelib.models.fleet.instance import InstanceRecord
from tests.api.calls import send
from tests.api.contract import check_cors, check_error
from tests.api.keyed import KeyedClient
from tests.conftest import forget_services
from tests.infra.deployment import Deployment
from tests.infra.recording import Recorder

PATH = "/api/images/comfyui/instances"
STOP, STATUS = "/api/images/comfyui/stop", "/api/images/comfyui/status"
FIELDS = {
    "id", "instance_type", "zone", "state", "since", "jobs", "started_at", "on_since",
    "unhealthy_reason", "gpu_seconds", "cost", "last_boot", "stops_at", "stop_reason",
}  # fmt: skip


@pytest.fixture
def deployment(aws: None, comfyui: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A deployment whose instance is on and ready, as the reconciler has seen."""
    with_gpus = structs.replace(config, comfyui_url="", gpu_types="", warm_up=0)
    monkeypatch.setattr(bootstrap, "config", with_gpus)
    table._shared.cache_clear()  # so that calls of DynamoDB are recorded
    recorder = Recorder()
    deployed = Deployment(recorder, comfyui)
    deployed.reconcile()
    yield deployed
    recorder.end()
    table._shared.cache_clear()


def listed(deployment: Deployment) -> dict[str, Any]:
    forget_services()
    deployment.recorder.calls.clear()
    answer = deployment.call("GET", PATH)
    assert answer.status_code == 200, answer.body
    check_cors(answer.headers)
    return dict(answer.json_body)


def shown(deployment: Deployment) -> dict[str, Any]:
    [instance] = listed(deployment)["instances"]
    assert instance.keys() == FIELDS
    return dict(instance)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_an_idle_instance_has_its_state_its_place_and_its_stop(deployment: Deployment) -> None:
    answer = listed(deployment)
    assert answer.keys() == {"instances", "waiting_jobs", "hold", "today"}
    assert (answer["waiting_jobs"], answer["hold"]) == (0, None)
    assert answer["today"].keys() == {"cost", "budget", "budget_ends_at"}
    assert answer["today"]["budget"] == 10
    [known] = answer["instances"]
    assert (known["id"], known["instance_type"]) == (deployment.gpu, "g4dn.xlarge")
    assert (known["state"], known["jobs"]) == ("ready", [])
    assert known["zone"].startswith("us-")
    assert known["stop_reason"].startswith("It has been idle for 0 s; the limit is ")
    idle_for = timedelta(seconds=config.idle_stop_seconds)
    assert moment(known["stops_at"]) - moment(known["on_since"]) >= idle_for


def test_reading_it_asks_neither_ec2_nor_a_gpu_and_writes_nothing(deployment: Deployment) -> None:
    before = [each.to_simple_dict() for each in InstanceRecord.scan()]
    listed(deployment)
    assert deployment.recorder.calls["APIHandler"] == {
        ("dynamodb:Scan", "FleetTable"),
        ("dynamodb:Query", "JobsTable"),
        ("dynamodb:GetItem", "JobsTable"),
        ("dynamodb:GetItem", "CatalogTable"),
    }
    assert [each.to_simple_dict() for each in InstanceRecord.scan()] == before


def test_the_last_boot_is_a_list_of_steps(deployment: Deployment) -> None:
    assert shown(deployment)["last_boot"] is None
    record = InstanceRecord.read(deployment.gpu)
    assert boots.note_report(record, {"pending": 12.5, "kernel": 4.0}, seconds=16.5)
    known = shown(deployment)
    assert known["last_boot"] == {
        "started_at": known["started_at"],
        "failed": False,
        "steps": [{"step": "pending", "seconds": 12.5}, {"step": "kernel", "seconds": 4}],
    }


def test_after_a_stop_of_the_gpus_it_shows_the_hold_and_why_each_stops(
    deployment: Deployment,
) -> None:
    assert InstanceRecord(deployment.gpu).acquire_slot("01J", now=0)
    until = deployment.call("POST", STOP, {"for_seconds": 600}).json_body["held_until"]
    answer = listed(deployment)
    assert answer["hold"] == {"until": until}
    [known] = answer["instances"]
    assert (known["state"], known["jobs"], known["stops_at"]) == ("draining", ["01J"], None)
    assert known["stop_reason"] == "An administrator requested the stop; it makes 1 job first"


def test_an_instance_that_is_off_says_what_was_booked_and_why_it_failed(
    deployment: Deployment,
) -> None:
    booked = {"day": datetime.now(UTC).date().isoformat(), "idle_seconds": 60.0}
    deployment.turn("off")
    deployment.reconcile()
    day_usage = {**booked, "idle_cost": 0.0087654321}
    reason = InstanceRecord.unhealthy_reason.set("booting for 900 s")
    InstanceRecord(deployment.gpu).update([InstanceRecord.day_usage.set(day_usage), reason])
    known = shown(deployment)
    assert (known["state"], known["on_since"], known["stops_at"]) == ("stopped", None, None)
    assert known["gpu_seconds"] == {"booting": 0, "busy": 0, "idle": 60}
    assert (known["cost"], known["unhealthy_reason"]) == (0.008765, "booting for 900 s")


def test_the_status_keeps_its_two_fields(deployment: Deployment) -> None:
    assert deployment.call("GET", STATUS).json_body.keys() == {"status", "message"}


def test_only_keys_with_the_scope_admin_may_read_it(deployment: Deployment) -> None:
    assert check_error(deployment.call("GET", PATH, admin=False), 403)


def test_without_an_instance_the_list_is_empty(deployment: Deployment) -> None:
    deployment.ec2.terminate_instances(InstanceIds=[deployment.gpu])
    forget_services()
    deployment.reconcile()
    assert listed(deployment)["instances"] == []


@pytest.mark.parametrize("is_up", [True, False])
def test_a_comfyui_at_a_fixed_address_is_one_entry_without_cost_and_stop(
    http: KeyedClient,
    is_up: bool,  # noqa: FBT001
    request: pytest.FixtureRequest,
) -> None:
    if is_up:
        request.getfixturevalue("comfyui")
    answer = send(http, "GET", PATH).json_body
    [known] = answer["instances"]
    assert known["state"] == ("ready" if is_up else "unavailable")
    unknown = ("instance_type", "zone", "gpu_seconds", "cost", "stops_at", "stop_reason")
    assert {known[name] for name in unknown} == {None}
    assert answer["today"] == {"cost": None, "budget": None, "budget_ends_at": None}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_can_only_be_read(http: TestHTTPClient, method: str) -> None:
    check_error(send(http, method, PATH), 405)

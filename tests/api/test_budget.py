"""Responses when the daily budget is used up, and the limit on starting a GPU without a job."""

import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import boto3
import pytest
from chalice import Chalice
from chalice.test import Client, TestHTTPClient
from msgspec import structs

import app
from chalicelib import bootstrap
from chalicelib.config import config
from chalicelib.models.catalogs import budget_mark
from chalicelib.models.catalogs.budget_mark import BudgetMark
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from tests.api.calls import JOBS, SETTINGS, generate, generate_later, send
from tests.api.contract import check_error
from tests.api.gateway import Gateway
from tests.api.keyed import KeyedClient, keyed
from tests.api.test_many import batch, bodies
from tests.conftest import forget_services

START = "/api/images/comfyui/start"
NewClient = Callable[..., KeyedClient]


@pytest.fixture
def gpu(aws: None) -> Iterator[str]:
    """A stopped instance of the fleet, in place of the ComfyUI at COMFYUI_URL."""
    before, ec2 = bootstrap.config, boto3.client("ec2")
    bootstrap.config = structs.replace(config, comfyui_url="", gpu_types="", warm_up=0)
    tags = [{"Key": "darkroom:fleet", "Value": config.fleet_tag}]
    made = ec2.run_instances(
        ImageId="ami-12c6146b",
        MinCount=1,
        MaxCount=1,
        InstanceType="g5.xlarge",
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    gpu = str(made["Instances"][0]["InstanceId"])
    turn_off(gpu)
    yield gpu
    bootstrap.config = before


@pytest.fixture
def new_client(gpu: str) -> NewClient:
    gateway = cast("Chalice", Gateway(app.app))
    return lambda **wanted: keyed(Client(gateway), gateway, **wanted)


def turn_off(gpu: str) -> None:
    """Stop the instance, and forget its last start."""
    boto3.client("ec2").stop_instances(InstanceIds=[gpu])
    StartSeries().delete()
    InstanceRecord(gpu).delete()
    forget_services()


def use_up_budget(dollars: float = 10.0) -> None:
    budget_mark.write(BudgetMark(time.time() - 1, dollars))


def test_with_the_budget_used_up_requests_return_429_until_the_next_day(
    new_client: NewClient,
) -> None:
    http = new_client()
    use_up_budget()
    for refused in (generate_later(http), generate(http), post(http)):
        check_error(refused, 429)
        assert refused.json_body["details"]["code"] == "budget_exhausted"
        assert 1 <= int(refused.headers["Retry-After"]) <= 86_401
    assert http.get(JOBS).json_body == []
    assert {each["status"] for each in batch(http, bodies(3))} == {429}


def post(http: TestHTTPClient) -> Any:
    return send(http, "POST", "/api/v1/posts/7/generate_images", bodies(1)[0])


def test_with_the_budget_used_up_a_repeated_request_returns_its_job(new_client: NewClient) -> None:
    http, key = new_client(), {"idempotency_key": "a", "prefer": "respond-async"}
    first = send(http, "POST", "/api/images/generate", bodies(1)[0], **key)
    use_up_budget()
    again = send(http, "POST", "/api/images/generate", bodies(1)[0], **key)
    assert (again.status_code, again.json_body["id"]) == (202, first.json_body["id"])


@pytest.mark.parametrize(
    "mark",
    [
        BudgetMark(0.0, 10.0),
        BudgetMark(1_000.0, 10.0),
        BudgetMark(4 * 10**9, 10.0),
    ],
    ids=["never", "on another day", "later"],
)
def test_a_budget_mark_that_is_not_from_today_refuses_no_request(
    new_client: NewClient, mark: BudgetMark
) -> None:
    budget_mark.write(mark)
    assert generate_later(new_client()).status_code == 202


def test_raising_the_budget_takes_effect_at_once(new_client: NewClient) -> None:
    use_up_budget(dollars=9.99)
    assert generate_later(new_client()).status_code == 202


def test_a_comfyui_outside_the_fleet_has_no_budget(http: TestHTTPClient, comfyui: str) -> None:
    use_up_budget()
    assert generate(http).status_code == 200


def test_the_budget_mark_is_not_a_setting(new_client: NewClient) -> None:
    http = new_client()
    before = http.get(SETTINGS).json_body
    use_up_budget()
    assert http.get(SETTINGS).json_body == before
    check_error(http.get(f"{SETTINGS}/:budget"), 404)


def test_the_status_says_that_the_budget_is_used_up(new_client: NewClient) -> None:
    use_up_budget()
    message = new_client().get("/api/images/comfyui/status").json_body["message"]
    assert message == (
        "The daily budget of 10 dollars is used up until midnight UTC. No jobs are waiting."
    )


def test_a_key_can_start_a_gpu_without_a_job_once_an_hour(new_client: NewClient, gpu: str) -> None:
    http, other = (new_client(scopes=("read", "generate")) for _ in range(2))
    assert send(http, "POST", START).status_code == 200
    assert send(http, "POST", START).status_code == 200, "the instance already runs"
    turn_off(gpu)
    refused = send(http, "POST", START)
    check_error(refused, 429)
    assert 3_500 <= int(refused.headers["Retry-After"]) <= 3_601
    assert send(other, "POST", START).status_code == 200
    turn_off(gpu)
    assert generate_later(http).status_code == 202, "a job is accepted whatever the key has started"


def test_an_admin_key_can_start_a_gpu_without_limit(new_client: NewClient, gpu: str) -> None:
    for _ in range(3):
        assert send(new_client(), "POST", START).status_code == 200
        turn_off(gpu)


def test_a_start_that_ec2_refuses_is_not_counted(
    new_client: NewClient, gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = new_client(scopes=("read", "generate"))
    with monkeypatch.context() as ec2:
        from chalicelib.errors import NoCapacity
        from chalicelib.gateways.ec2 import GpuFleet

        def refuse(*_: Any) -> bool:
            raise NoCapacity("EC2 has no capacity right now")

        ec2.setattr(GpuFleet, "start", refuse)
        check_error(send(http, "POST", START), 503)
    turn_off(gpu)
    assert send(http, "POST", START).status_code == 200


def test_with_a_budget_of_zero_no_gpu_is_started(
    new_client: NewClient, gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "config", structs.replace(bootstrap.config, daily_budget=0.0))
    forget_services()
    refused = send(new_client(), "POST", START)
    check_error(refused, 429)
    assert refused.json_body["details"]["code"] == "budget_exhausted"

"""What callers read when the daily budget is used up, and how often a key may start a GPU."""

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
Make = Callable[..., KeyedClient]


@pytest.fixture
def gpu(aws: None) -> Iterator[str]:
    """An instance of ours that is off, in place of a ComfyUI that runs anyway."""
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
def having(gpu: str) -> Make:
    gateway = cast("Chalice", Gateway(app.app))
    return lambda **wanted: keyed(Client(gateway), gateway, **wanted)


def turn_off(gpu: str) -> None:
    """Have the instance off, as if the last start were long ago."""
    boto3.client("ec2").stop_instances(InstanceIds=[gpu])
    StartSeries().delete()
    InstanceRecord(gpu).delete()
    forget_services()


def use_up(dollars: float = 10.0) -> None:
    budget_mark.write(BudgetMark(time.time() - 1, dollars))


def test_generate_is_refused_until_the_next_day(having: Make) -> None:
    http = having()
    use_up()
    for refused in (generate_later(http), generate(http), post(http)):
        check_error(refused, 429)
        assert refused.json_body["details"]["code"] == "budget_exhausted"
        assert 1 <= int(refused.headers["Retry-After"]) <= 86_401
    assert http.get(JOBS).json_body == []
    assert {each["status"] for each in batch(http, bodies(3))} == {429}


def post(http: TestHTTPClient) -> Any:
    return send(http, "POST", "/api/v1/posts/7/generate_images", bodies(1)[0])


def test_what_was_accepted_before_is_still_answered(having: Make) -> None:
    http, key = having(), {"idempotency_key": "a", "prefer": "respond-async"}
    first = send(http, "POST", "/api/images/generate", bodies(1)[0], **key)
    use_up()
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
def test_a_budget_that_is_not_used_up_refuses_nobody(having: Make, mark: BudgetMark) -> None:
    budget_mark.write(mark)
    assert generate_later(having()).status_code == 202


def test_a_budget_that_was_raised_counts_at_once(having: Make) -> None:
    use_up(dollars=9.99)
    assert generate_later(having()).status_code == 202


def test_a_comfyui_that_is_not_ours_has_no_budget(http: TestHTTPClient, comfyui: str) -> None:
    use_up()
    assert generate(http).status_code == 200


def test_the_mark_of_the_budget_is_no_setting(having: Make) -> None:
    http = having()
    before = http.get(SETTINGS).json_body
    use_up()
    assert http.get(SETTINGS).json_body == before
    check_error(http.get(f"{SETTINGS}/:budget"), 404)


def test_the_status_says_why_nothing_starts(having: Make) -> None:
    use_up()
    message = having().get("/api/images/comfyui/status").json_body["message"]
    assert message == (
        "The daily budget of 10 dollars is used up until midnight UTC. No jobs are waiting."
    )


def test_a_key_starts_a_gpu_without_a_job_once_an_hour(having: Make, gpu: str) -> None:
    http, other = (having(scopes=("read", "generate")) for _ in range(2))
    assert send(http, "POST", START).status_code == 200
    assert send(http, "POST", START).status_code == 200, "it runs"
    turn_off(gpu)
    refused = send(http, "POST", START)
    check_error(refused, 429)
    assert 3_500 <= int(refused.headers["Retry-After"]) <= 3_601
    assert send(other, "POST", START).status_code == 200
    turn_off(gpu)
    assert generate_later(http).status_code == 202, "with a job it is started all the same"


def test_an_admin_starts_a_gpu_as_often_as_he_wants(having: Make, gpu: str) -> None:
    for _ in range(3):
        assert send(having(), "POST", START).status_code == 200
        turn_off(gpu)


def test_a_start_that_ec2_refuses_is_not_counted(
    having: Make, gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = having(scopes=("read", "generate"))
    with monkeypatch.context() as ec2:
        from chalicelib.errors import NoCapacity
        from chalicelib.gateways.ec2 import GpuFleet

        def refuse(*_: Any) -> bool:
            raise NoCapacity("EC2 has no capacity right now")

        ec2.setattr(GpuFleet, "start", refuse)
        check_error(send(http, "POST", START), 503)
    turn_off(gpu)
    assert send(http, "POST", START).status_code == 200


def test_nothing_is_started_without_money(
    having: Make, gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "config", structs.replace(bootstrap.config, daily_budget=0.0))
    forget_services()
    refused = send(having(), "POST", START)
    check_error(refused, 429)
    assert refused.json_body["details"]["code"] == "budget_exhausted"

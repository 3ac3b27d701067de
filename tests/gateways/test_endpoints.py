"""The hosts of requests: in the template's network, IPv4 reaches only S3 and DynamoDB."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from chalicelib.clients import Gateways
from chalicelib.config import config

QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"


class Asked(Exception):
    """A request to this host, which is not sent."""


def _refuse(request: Any, **_: Any) -> None:
    raise Asked(urlsplit(request.url).hostname)


def asked(client: Any, operation: str, **parameters: Any) -> str:
    """Return the host that a request would have gone to."""
    client.meta.events.register("before-send", _refuse)
    with pytest.raises(Asked) as refused:
        getattr(client, operation)(**parameters)
    return str(refused.value)


@pytest.fixture(params=[1, 0], ids=["dual-stack", "IPv4"])
def gateways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Gateways:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    return Gateways(replace(config, dual_stack=request.param))


@pytest.fixture
def domain(request: pytest.FixtureRequest) -> str:
    """The domain of endpoints with IPv6, or with IPv4 alone."""
    return "api.aws" if "dual-stack" in request.node.name else "amazonaws.com"


def test_the_dual_stack_setting_decides_the_host_of_sqs_despite_the_queue_url(
    gateways: Gateways, domain: str
) -> None:
    client = gateways.remote("sqs")
    host = asked(client, "send_message", QueueUrl=QUEUE_URL, MessageBody="job")
    assert host == f"sqs.eu-west-1.{domain}"


def test_the_dual_stack_setting_decides_the_host_of_ec2(gateways: Gateways, domain: str) -> None:
    host = asked(gateways.remote("ec2"), "describe_instances")
    assert host == f"ec2.eu-west-1.{domain}"


def test_the_dual_stack_setting_decides_the_host_of_eventbridge_scheduler(
    gateways: Gateways, domain: str
) -> None:
    host = asked(gateways.remote("scheduler"), "list_schedules")
    assert host == f"scheduler.eu-west-1.{domain}"


def test_s3_is_called_on_ipv4_through_its_gateway_endpoint(gateways: Gateways) -> None:
    client = gateways.client("s3")
    host = asked(client, "get_object", Bucket="images", Key="images/1.png")
    assert host == "images.s3.eu-west-1.amazonaws.com"


def test_dynamodb_is_called_on_ipv4_through_its_gateway_endpoint(gateways: Gateways) -> None:
    host = asked(gateways.client("dynamodb"), "get_item", TableName="jobs", Key={"id": {"S": "1"}})
    assert host == "dynamodb.eu-west-1.amazonaws.com"

"""Where requests go: in the network of the template, IPv4 leads to S3 and DynamoDB only."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from chalicelib.bootstrap import Gateways
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
    """Where services answer on IPv6, or on IPv4 alone."""
    return "api.aws" if "dual-stack" in request.node.name else "amazonaws.com"


def test_sqs_is_asked_on_ipv6_whatever_the_host_of_the_queues_url(
    gateways: Gateways, domain: str
) -> None:
    client = gateways.remote("sqs")
    host = asked(client, "send_message", QueueUrl=QUEUE_URL, MessageBody="job")
    assert host == f"sqs.eu-west-1.{domain}"


def test_ec2_is_asked_on_ipv6(gateways: Gateways, domain: str) -> None:
    host = asked(gateways.remote("ec2"), "describe_instances")
    assert host == f"ec2.eu-west-1.{domain}"


def test_s3_is_asked_through_its_gateway_endpoint(gateways: Gateways) -> None:
    client = gateways.client("s3")
    host = asked(client, "get_object", Bucket="images", Key="images/1.png")
    assert host == "images.s3.eu-west-1.amazonaws.com"


def test_dynamodb_is_asked_through_its_gateway_endpoint(gateways: Gateways) -> None:
    host = asked(gateways.client("dynamodb"), "get_item", TableName="jobs", Key={"id": {"S": "1"}})
    assert host == "dynamodb.eu-west-1.amazonaws.com"

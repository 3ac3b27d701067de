"""Where requests go: in the network of the template, IPv4 leads to S3 and DynamoDB only."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from chalicelib import wiring
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
def dual_stack(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(wiring, "config", replace(config, dual_stack=request.param))
    wiring._session.cache_clear()
    return bool(request.param)


@pytest.fixture(autouse=True)
def _no_other_region() -> Iterator[None]:
    yield
    wiring._session.cache_clear()


def test_sqs_is_asked_on_ipv6_whatever_the_host_of_the_queues_url(dual_stack: bool) -> None:  # noqa: FBT001
    client = wiring._remote("sqs")
    host = asked(client, "send_message", QueueUrl=QUEUE_URL, MessageBody="job")
    assert host == f"sqs.eu-west-1.{'api.aws' if dual_stack else 'amazonaws.com'}"


def test_ec2_is_asked_on_ipv6(dual_stack: bool) -> None:  # noqa: FBT001
    host = asked(wiring._remote("ec2"), "describe_instances")
    assert host == f"ec2.eu-west-1.{'api.aws' if dual_stack else 'amazonaws.com'}"


def test_s3_is_asked_through_its_gateway_endpoint(dual_stack: bool) -> None:  # noqa: FBT001
    client = wiring._client("s3")
    host = asked(client, "get_object", Bucket="images", Key="images/1.png")
    assert host == "images.s3.eu-west-1.amazonaws.com"


def test_dynamodb_is_asked_through_its_gateway_endpoint(dual_stack: bool) -> None:  # noqa: FBT001
    host = asked(wiring._client("dynamodb"), "get_item", TableName="jobs", Key={"id": {"S": "1"}})
    assert host == "dynamodb.eu-west-1.amazonaws.com"

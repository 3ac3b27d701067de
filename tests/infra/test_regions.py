"""Every region of AWS: its functions reach what they need, or the deployment is refused."""

import socket
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import botocore.session
import pytest

from infra.deploy import endpoints
from infra.deploy.endpoints import NEEDED, ON_IPV6, refusal

INSIDE = {"ComfyUIUrl": "", "NatGateway": "no"}
WITH_NAT = {"ComfyUIUrl": "", "NatGateway": "yes"}

DATA = botocore.session.get_session().get_data("endpoints")


def regions() -> Iterator[str]:
    for partition in DATA["partitions"]:
        if "iso" not in partition["partition"] and partition["partition"] != "aws-eusc":
            yield from partition["regions"]


def partition_of(region: str) -> Any:
    return next(each for each in DATA["partitions"] if region in each["regions"])


@cache
def names(region: str) -> dict[tuple[str, bool], bool]:
    """Return whether a region has a service, by IPv4 and by IPv6, by botocore's endpoint data."""
    services = partition_of(region)["services"]
    found = {}
    for service in NEEDED:
        known = services.get(service, {}).get("endpoints", {}).get(region)
        found[service, False] = known is not None
        variants = (known or {}).get("variants", [])
        # SQS and EventBridge Scheduler have names on IPv6 everywhere; the data has EC2's only.
        is_everywhere = known is not None and service in ("sqs", "scheduler")
        found[service, True] = is_everywhere or any("dualstack" in it["tags"] for it in variants)
    return found


class Session(boto3.Session):
    """A session without credentials, which nothing here needs."""

    def __init__(self, region: str) -> None:
        super().__init__("x", "x", region_name=region)


def resolver_of(region: str) -> endpoints.Resolver:
    """Return name servers that know the names of botocore's data."""
    session, known = Session(region), {}
    for (service, is_ipv6), exists in names(region).items():
        if not is_ipv6 or service in ON_IPV6:
            host = endpoints.host(session, service, dual_stack=is_ipv6)
            family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
            known[host, family] = exists
    return lambda host, family: known[host, family]


@pytest.mark.parametrize("region", sorted(regions()))
def test_a_region_is_refused_with_the_remedy_or_all_services_can_be_reached(region: str) -> None:
    session, resolver, found = Session(region), resolver_of(region), names(region)
    lacking = {each for each in NEEDED if not found[each, False]}
    on_ipv4_only = {each for each in ON_IPV6 if not found[each, True]}
    refused, with_nat = (refusal(session, each, resolver) for each in (INSIDE, WITH_NAT))
    if lacking:
        assert refused
        assert refused == with_nat
        assert all(NEEDED[each] in refused[0] for each in lacking)
        assert refused[1] == "deploy to another region"
    elif on_ipv4_only:
        assert refused
        assert all(ON_IPV6[each] in refused[0] for each in on_ipv4_only)
        assert "NatGateway=yes" in refused[1]
        assert with_nat is None
    else:
        assert refused is None


def test_the_walk_meets_regions_of_each_kind() -> None:
    known = {region: names(region) for region in regions()}
    whole = {region for region, found in known.items() if all(found[it, False] for it in NEEDED)}
    on_ipv6 = {region for region in whole if all(known[region][each, True] for each in ON_IPV6)}
    assert {"us-east-1", "eu-west-1"} <= on_ipv6
    assert "il-central-1" in whole - on_ipv6
    assert len(whole - on_ipv6) >= 10


def test_a_stack_whose_functions_are_outside_of_a_network_needs_no_ipv6() -> None:
    region = "il-central-1"
    outside = {"ComfyUIUrl": "https://comfyui.example", "NatGateway": "no"}
    assert refusal(Session(region), outside, resolver_of(region)) is None


def test_a_machine_that_resolves_no_names_refuses_no_region() -> None:
    assert refusal(Session("eu-west-1"), INSIDE, lambda *_: False) is None
    assert refusal(Session("eu-west-1"), INSIDE, lambda *_: None) is None


def test_names_that_do_not_exist_are_told_from_name_servers_that_do_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for error, found in ((socket.EAI_NONAME, False), (socket.EAI_AGAIN, None)):

        def fail(*_: Any, error: int = error) -> None:
            raise socket.gaierror(error, "said")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        assert endpoints.resolve("ec2.r.api.aws", socket.AF_INET6) is found
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [()])
    assert endpoints.resolve("ec2.r.api.aws", socket.AF_INET6) is True

"""The names of AWS's services in a region: whether they exist, and whether on IPv6."""

import socket
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

# The functions in the network reach these on IPv6: see DUAL_STACK in chalicelib/bootstrap.py.
ON_IPV6 = {"ec2": "EC2", "sqs": "SQS", "scheduler": "EventBridge Scheduler"}
# Services without which nothing of a stack works.
NEEDED = {
    "cloudformation": "CloudFormation",
    "lambda": "Lambda",
    "apigateway": "API Gateway",
    "dynamodb": "DynamoDB",
    "s3": "S3",
    "events": "EventBridge",
    **ON_IPV6,
}

# Whether a name has an address of a family: None if that could not be found out.
Resolver = Callable[[str, socket.AddressFamily], bool | None]

IPV6 = socket.AF_INET6


def resolve(host: str, family: socket.AddressFamily) -> bool | None:
    """Ask the name servers of this machine."""
    try:
        socket.getaddrinfo(host, 443, family, socket.SOCK_STREAM)
    except socket.gaierror as error:
        return None if error.errno == socket.EAI_AGAIN else False
    return True


def host(session: Any, service: str, *, dual_stack: bool = False) -> str:
    """Return the name that clients of a service use."""
    options = Config(use_dualstack_endpoint=dual_stack)
    url = session.client(service, config=options).meta.endpoint_url
    return str(urlsplit(url).hostname)


def missing(session: boto3.Session, resolver: Resolver = resolve) -> dict[str, str]:
    """Return the services that the region does not have, each with its host."""
    hosts = {service: host(session, service) for service in NEEDED}
    return _without(hosts, resolver, socket.AF_INET)


def missing_on_ipv6(session: boto3.Session, resolver: Resolver = resolve) -> dict[str, str]:
    """Return the services that functions cannot reach on IPv6, each with its host."""
    hosts = {service: host(session, service, dual_stack=True) for service in ON_IPV6}
    return _without(hosts, resolver, IPV6)


def _without(
    hosts: Mapping[str, str], resolver: Resolver, family: socket.AddressFamily
) -> dict[str, str]:
    answers = {service: resolver(name, family) for service, name in hosts.items()}
    # Behind a proxy a machine may resolve no name at all, or no IPv6 address: that tells nothing.
    if not any(answers.values()):
        return {}
    return {service: hosts[service] for service, found in answers.items() if found is False}


def refusal(
    session: boto3.Session, parameters: Mapping[str, str], resolver: Resolver = resolve
) -> tuple[str, str] | None:
    """Return which service the functions of a stack could not reach, and a remedy; None if none."""
    if gone := missing(session, resolver):
        names = ", ".join(NEEDED[each] for each in gone)
        text = f"{session.region_name} has no {names} ({_do_not_exist(gone)})"
        return text, "deploy to another region"
    if needs_no_ipv6(parameters) or not (gone := missing_on_ipv6(session, resolver)):
        return None
    names = " and ".join(ON_IPV6[each] for each in gone)
    text = f"{names}: no IPv6 in {session.region_name} ({_do_not_exist(gone)})"
    remedy = 'deploy with PARAMETERS="NatGateway=yes" (about 36 dollars a month), or elsewhere'
    return text, remedy


def needs_no_ipv6(parameters: Mapping[str, str]) -> bool:
    """Return whether the functions need no IPv6."""
    return bool(parameters["ComfyUIUrl"]) or parameters["NatGateway"] == "yes"


def _do_not_exist(gone: Mapping[str, str]) -> str:
    return f"{', '.join(gone.values())} does not exist"

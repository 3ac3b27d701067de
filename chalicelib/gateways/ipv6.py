"""IPv6 before IPv4, where IPv4 reaches only the gateway endpoints of S3 and DynamoDB."""

import socket
from collections.abc import Callable
from typing import Any


def ipv6_first(resolve: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Return a `getaddrinfo` that lists a name's IPv6 addresses before its others."""

    def resolved(*asked: Any, **options: Any) -> list[Any]:
        return sorted(resolve(*asked, **options), key=lambda it: it[0] != socket.AF_INET6)

    return resolved


def prefer_ipv6() -> None:
    """Have this process connect on IPv6 wherever a name has an IPv6 address.

    In the network of the template a connection on IPv4 to EC2, SQS or EventBridge Scheduler ends in
    a timeout. botocore and urllib3 connect in the order of `getaddrinfo` and have no option for it.
    """
    socket.getaddrinfo = ipv6_first(socket.getaddrinfo)

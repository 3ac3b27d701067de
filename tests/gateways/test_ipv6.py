"""Names with addresses of both kinds: IPv6 first, where IPv4 leads nowhere."""

import socket
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.config import config
from chalicelib.gateways.ipv6 import ipv6_first, prefer_ipv6

BOTH: list[Any] = [
    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443)),
    (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 443, 0, 0)),
    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.2", 443)),
]


def test_ipv6_addresses_come_first_and_the_others_keep_their_order() -> None:
    found = ipv6_first(lambda *_: BOTH)("ec2.eu-west-1.api.aws", 443)
    assert found == [BOTH[1], BOTH[0], BOTH[2]]


def test_a_process_that_prefers_ipv6_still_reaches_names_that_have_ipv4_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def resolve(*given: Any, **_: Any) -> list[Any]:
        asked.append(given)
        return BOTH[:1]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    prefer_ipv6()
    assert socket.getaddrinfo("s3.eu-west-1.amazonaws.com", 443) == BOTH[:1]
    assert asked == [("s3.eu-west-1.amazonaws.com", 443)]


@pytest.mark.parametrize("dual_stack", [0, 1])
def test_functions_in_the_network_prefer_ipv6(
    dual_stack: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "config", replace(config, dual_stack=dual_stack))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: BOTH)
    bootstrap.services.cache_clear()
    bootstrap.services()
    bootstrap.services.cache_clear()
    [first, *_] = socket.getaddrinfo("ec2.eu-west-1.api.aws", 443)
    assert (first[0] == socket.AF_INET6) == bool(dual_stack)

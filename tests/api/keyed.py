"""A test client with an API key."""

from typing import Any

from chalice import Chalice
from chalice.test import Client, HTTPResponse, TestHTTPClient

from infra.keys import create


class KeyedClient(TestHTTPClient):
    """Sends its API key with every request that has no `Authorization` of its own."""

    token = ""

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> HTTPResponse:
        own = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return super().request(method, path, headers={**own, **(headers or {})}, body=body)


def keyed(client: Client, application: Chalice, **wanted: Any) -> KeyedClient:
    """Return a client with a new key, by default an admin's."""
    http = KeyedClient(application, client.http._config)
    http.token = create("tests", **{"scopes": ("admin",), "requests_per_minute": 10**6, **wanted})
    return http

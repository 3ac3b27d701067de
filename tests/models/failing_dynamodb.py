"""A DynamoDB whose answers are lost, or that refuses calls."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.models.table import _shared
from tests.virtual.dynamodb import Answer, ask


@dataclass
class Client:
    """Stands in for a botocore client; the first `times` calls that contain `wanted` fail.

    A client that retries sends a call whose answer is lost again, as botocore does.
    """

    wanted: str
    fail: Callable[["Client", str, dict[str, Any]], Answer]
    retries: bool = True
    calls: list[str] = field(default_factory=list)
    times: int = 1

    def _make_api_call(self, operation: str, parameters: dict[str, Any]) -> Answer:
        self.calls.append(operation)
        if self.times and self.wanted in f"{operation} {parameters}":
            self.times -= 1
            return self.fail(self, operation, parameters)
        return ask(operation, parameters)

    @property
    def _request_signer(self) -> Any:
        return None


@contextmanager
def stand_in(**given: Any) -> Iterator[Client]:
    """Replace both clients of the connection."""
    connection = _shared()
    before = connection.client, connection._client_once
    connection._client, connection._client_once = Client(**given), Client(retries=False, **given)
    try:
        yield connection._client
    finally:
        connection._client, connection._client_once = before


@contextmanager
def lost_answer(wanted: str, meanwhile: Callable[[], object] = lambda: None) -> Iterator[Client]:
    """Lose the answer to a call, and act `meanwhile` before the call is retried."""

    def lose(client: Client, operation: str, parameters: dict[str, Any]) -> Answer:
        with suppress(ClientError):
            ask(operation, parameters)
        meanwhile()
        if not client.retries:
            raise ReadTimeoutError(endpoint_url="https://dynamodb")
        return ask(operation, parameters)

    with stand_in(wanted=wanted, fail=lose) as client:
        yield client


@contextmanager
def refused(wanted: str, error: ClientError, times: int = 1) -> Iterator[Client]:
    """Refuse the first calls with an error, without doing anything."""

    def refuse(*_: Any) -> Answer:
        raise error

    with stand_in(wanted=wanted, fail=refuse, times=times) as client:
        yield client

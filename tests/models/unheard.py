"""DynamoDB that does what it is asked and is not heard, or has no time for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.models.table import _shared
from tests.virtual.dynamodb import Answer, ask


@dataclass
class Client:
    """Stands in for a botocore client; `trouble` comes to the first calls that are like `wanted`.

    A client that repeats makes a call whose answer is lost once more, as botocore does.
    """

    wanted: str
    trouble: Callable[["Client", str, dict[str, Any]], Answer]
    repeats: bool = True
    calls: list[str] = field(default_factory=list)
    times: int = 1

    def _make_api_call(self, operation: str, parameters: dict[str, Any]) -> Answer:
        self.calls.append(operation)
        if self.times and self.wanted in f"{operation} {parameters}":
            self.times -= 1
            return self.trouble(self, operation, parameters)
        return ask(operation, parameters)

    @property
    def _request_signer(self) -> Any:
        return None


@contextmanager
def stand_in(**how: Any) -> Iterator[Client]:
    """Put clients in the place of both."""
    connection = _shared()
    before = connection.client, connection._client_once
    connection._client, connection._client_once = Client(**how), Client(repeats=False, **how)
    try:
        yield connection._client
    finally:
        connection._client, connection._client_once = before


@contextmanager
def unheard(wanted: str, meanwhile: Callable[[], object] = lambda: None) -> Iterator[Client]:
    """Lose the answer to a call, and let something happen before it is repeated."""

    def lose(client: Client, operation: str, parameters: dict[str, Any]) -> Answer:
        with suppress(ClientError):
            ask(operation, parameters)
        meanwhile()
        if not client.repeats:
            raise ReadTimeoutError(endpoint_url="https://dynamodb")
        return ask(operation, parameters)

    with stand_in(wanted=wanted, trouble=lose) as client:
        yield client


@contextmanager
def refused(wanted: str, error: ClientError, times: int = 1) -> Iterator[Client]:
    """Answer some calls with an error, without doing anything."""

    def refuse(*_: Any) -> Answer:
        raise error

    with stand_in(wanted=wanted, trouble=refuse, times=times) as client:
        yield client

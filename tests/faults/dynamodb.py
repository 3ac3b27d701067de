"""The connection between PynamoDB and DynamoDB, on which calls can fail."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.models.table import _shared
from tests.faults.scheduler import Call, Scheduler
from tests.virtual.dynamodb import READS, Answer, ask, conflict, error, key_names, written

_PATIENCE_SECONDS = 28  # of the client in models/table.py: 7 s, four times
_TABLES = ("jobs", "fleet", "catalog", "schedules", "runs", "keys")


class Wire:
    """Replaces the botocore clients that all tables share; the tables are in memory.

    Answers are kept until the next write, so that eventually consistent reads can return the state
    before that write. While a transaction runs, another write to one of its
    items conflicts with it, as in DynamoDB.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._connection = _shared()
        self._clients = self._connection._client, self._connection._client_once
        self._client = self._connection.client
        self._scheduler = scheduler
        self._fresh: dict[str, Answer] = {}
        self._old: dict[str, Answer] = {}
        self._under_way: list[set[str]] = []
        self.on_write: Callable[[str, dict[str, Any]], None] = lambda operation, parameters: None

    def __enter__(self) -> "Wire":
        self._connection._client = self  # type: ignore[assignment]
        self._connection._client_once = _Once(self)
        for table in _TABLES:
            self._empty(table)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection._client, self._connection._client_once = self._clients

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _make_api_call(
        self, operation: str, parameters: dict[str, Any], *, repeats: bool = True
    ) -> Answer:
        if operation != "TransactWriteItems":
            return self._call(operation, parameters, repeats=repeats)
        with self._transaction(written(operation, parameters)) as begin:
            about = self._about(operation, parameters)
            self._scheduler.call(f"{operation} begins", begin, _failure(operation), about=about)
            return self._call(operation, parameters, repeats=repeats)

    @contextmanager
    def _transaction(self, items: set[str]) -> Iterator[Callable[[], None]]:
        """Let no other write to these items succeed after the transaction began."""
        ours: list[set[str]] = []

        def begin() -> None:
            if any(items & others for others in self._under_way):
                self._scheduler.note_fault()
                raise conflict("TransactWriteItems", len(items))
            ours.append(items)
            self._under_way.append(items)

        try:
            yield begin
        finally:
            for each in ours:
                self._under_way.remove(each)

    def _call(self, operation: str, parameters: dict[str, Any], *, repeats: bool) -> Answer:
        key = f"{operation}{parameters}"
        old = self._old.get(key)
        is_lagging = old is not None and not parameters.get("ConsistentRead")

        def answer() -> Answer:
            return self._answer(operation, parameters, key)

        def lose_answer() -> None:
            with suppress(ClientError):
                answer()

        called: Answer = self._scheduler.call(
            _named(operation, parameters),
            answer,
            _failure(operation),
            patience=_PATIENCE_SECONDS,
            stale=(lambda: old or {}) if is_lagging else None,
            repeated=lose_answer if repeats and operation not in READS else None,
            lagged=self._lagged(parameters, answer) if operation not in READS else None,
            late=self._late(parameters, answer) if repeats and operation not in READS else None,
            about=self._about(operation, parameters),
        )
        return called

    def _late(
        self, parameters: dict[str, Any], answer: Callable[[], Answer]
    ) -> Callable[[], Answer] | None:
        """Return how a write is made of which a copy comes late, if that is possible."""
        return None

    def _about(self, operation: str, parameters: dict[str, Any]) -> Call:
        return Call(is_read=operation in READS)

    def _lagged(
        self, parameters: dict[str, Any], answer: Callable[[], Answer]
    ) -> Callable[[], Answer] | None:
        """Return how a write is made that indexes show late, if that is possible."""
        return None

    def _answer(self, operation: str, parameters: dict[str, Any], key: str) -> Answer:
        if operation not in READS:
            answer = self._write(operation, parameters)
            self.on_write(operation, parameters)
            self._old, self._fresh = {**self._old, **self._fresh}, {}
            return answer
        if key not in self._fresh:
            self._fresh[key] = ask(operation, parameters)
        return self._fresh[key]

    def _write(self, operation: str, parameters: dict[str, Any]) -> Answer:
        items = written(operation, parameters)
        is_alone = operation != "TransactWriteItems"  # a transaction's own items are under way
        if is_alone and any(items & others for others in self._under_way):
            self._scheduler.note_fault()
            raise conflict(operation, len(items))
        return ask(operation, parameters)

    def _empty(self, table: str) -> None:
        for item in ask("Scan", {"TableName": table})["Items"]:
            key = {name: item[name] for name in key_names(table)}
            ask("DeleteItem", {"TableName": table, "Key": key})


class _Once:
    """The client that never repeats a call."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def _make_api_call(self, operation: str, parameters: dict[str, Any]) -> Answer:
        return self._wire._make_api_call(operation, parameters, repeats=False)


def _named(operation: str, parameters: dict[str, Any]) -> str:
    names = key_names(parameters.get("TableName", ""))
    put = {name: value for name, value in parameters.get("Item", {}).items() if name in names}
    key: dict[str, dict[str, str]] = parameters.get("Key", put)
    where = parameters.get("IndexName") or parameters.get("TableName", "")
    item = " ".join(value for each in key.values() for value in each.values())
    return f"{operation} {where} {item} {parameters.get('UpdateExpression', '')[:60]}".rstrip()


def _failure(operation: str) -> Callable[[], Exception]:
    if operation in READS:
        return lambda: error("ProvisionedThroughputExceededException", operation)
    return lambda: ReadTimeoutError(endpoint_url="https://dynamodb")

"""DynamoDB on a virtual clock: moto answers without its HTTP, and each call takes some time."""

import json
from collections import Counter
from random import Random
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError
from moto.dynamodb.responses import DynamoHandler

from chalicelib.models.table import CONFLICT, _shared
from tests.virtual.clock import VirtualClock

READS = ("GetItem", "Query", "Scan", "BatchGetItem")

Answer = dict[str, Any]


class VirtualDynamoDB:
    """Replaces the botocore clients of all tables; a write that meets a transaction conflicts.

    A call takes `call_seconds` on average, at random from half of that to one and a half.
    """

    def __init__(self, clock: VirtualClock, *, call_seconds: float) -> None:
        self._connection = _shared()
        self._clients = self._connection._client, self._connection._client_once
        self._client = self._connection.client
        self._clock = clock
        self._seconds = call_seconds
        self._chance = Random(1)  # noqa: S311
        self._under_way: list[set[str]] = []
        self.calls: Counter[str] = Counter()

    def __enter__(self) -> "VirtualDynamoDB":
        self._connection._client = self._connection._client_once = self  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        self._connection._client, self._connection._client_once = self._clients

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _make_api_call(self, operation: str, parameters: dict[str, Any]) -> Answer:
        self.calls[operation] += 1
        half = self._seconds * self._chance.uniform(0.25, 0.75)
        self._clock.sleep(half)
        items = set() if operation in READS else written(operation, parameters)
        if any(items & others for others in self._under_way):
            raise conflict(operation, len(items))
        if operation == "TransactWriteItems":
            self._under_way.append(items)
            self._clock.sleep(half)  # two phases
            self._under_way.remove(items)
        answer = ask(operation, parameters)
        self._clock.sleep(half)
        return answer


def ask(operation: str, parameters: dict[str, Any]) -> Answer:
    """Return moto's answer to a call."""
    handler: Any = DynamoHandler()
    handler.region, handler.current_account = "us-east-1", "123456789012"
    handler.body = parameters
    try:
        answer: Answer = getattr(handler, xform_name(operation))().result
    except JsonRESTError as failure:
        body = json.loads(str(failure.description))
        code = body["__type"].rpartition("#")[2]
        raise error(code, operation, body.get("CancellationReasons", [])) from failure
    return answer


def error(code: str, operation: str, reasons: list[dict[str, str]] | None = None) -> ClientError:
    """Return an error as botocore raises it."""
    answer: Any = {"Error": {"Code": code, "Message": code}, "CancellationReasons": reasons or []}
    return ClientError(answer, operation)


def conflict(operation: str, items: int) -> ClientError:
    """Return the error of a write that conflicts with a transaction."""
    if operation == "TransactWriteItems":
        return error("TransactionCanceledException", operation, [{"Code": CONFLICT}] * items)
    return error(f"{CONFLICT}Exception", operation)


def written(operation: str, parameters: dict[str, Any]) -> set[str]:
    """Return names of the items that a call writes to."""
    if operation == "TransactWriteItems":
        writes = [write for each in parameters["TransactItems"] for write in each.values()]
        return {name for write in writes for name in written("", write)}
    key = parameters.get("Key") or parameters.get("Item", {})
    names = key_names(parameters["TableName"])
    return {f"{parameters['TableName']} {[key[name] for name in names]}"}


def key_names(table: str) -> tuple[str, ...]:
    """Return the names of a table's key attributes."""
    return {"catalog": ("catalog", "key"), "runs": ("schedule_id", "scheduled_at")}.get(
        table, ("id",)
    )

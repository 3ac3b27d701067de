"""DynamoDB on a virtual clock: answers without HTTP, and each call takes some time."""

from collections import Counter
from random import Random
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.models.table import CONFLICT, _shared
from tests.virtual.clock import VirtualClock
from tests.virtual.endpoint import error_of, tables
from tests.virtual.memory import Refused

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
        self.named: Counter[tuple[str, str]] = Counter()  # by process, and what is called

    def __enter__(self) -> "VirtualDynamoDB":
        self._connection._client = self._connection._client_once = self  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        self._connection._client, self._connection._client_once = self._clients

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _make_api_call(self, operation: str, parameters: dict[str, Any]) -> Answer:
        self.calls[operation] += 1
        self.named[self._clock.process, name_of(operation, parameters)] += 1
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


def name_of(operation: str, parameters: dict[str, Any]) -> str:
    """Return a call's name with its index or table, as `Query by_queue` or `Scan fleet`."""
    where = parameters.get("IndexName") or parameters.get("TableName") or ""
    return f"{operation} {where}".strip()


def ask(operation: str, parameters: dict[str, Any]) -> Answer:
    """Return the answer to a call without HTTP, or raise botocore's error."""
    try:
        return tables().ask(operation, parameters)
    except Refused as refusal:
        raise raised(refusal, operation) from refusal


def raised(refusal: Refused, operation: str) -> ClientError:
    """Return an error as botocore raises it."""
    response: Any = error_of(refusal)
    return ClientError(response, operation)


def error(code: str, operation: str, reasons: list[dict[str, str]] | None = None) -> ClientError:
    """Return an error that DynamoDB's rules do not cause."""
    return raised(Refused(code, code, CancellationReasons=reasons or []), operation)


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

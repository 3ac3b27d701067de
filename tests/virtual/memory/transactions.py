"""Transactions and batches of writes."""

from hashlib import blake2b
from typing import Any

from tests.virtual.memory.capacity import Units, consumed, write_units
from tests.virtual.memory.refusals import Refused, invalid
from tests.virtual.memory.tables import Clock, Table, Tables
from tests.virtual.memory.values import Item, size_of
from tests.virtual.memory.writes import CHECK, DELETE, PUT, UPDATE, Parameters, Write

_MOST_WRITES, _MOST_BATCHED, _MOST_BYTES = 100, 25, 4 * 1024 * 1024
_REMEMBERED_SECONDS = 600  # for which a ClientRequestToken is known
_KINDS = (PUT, UPDATE, DELETE, CHECK)
_BATCHED_KINDS = {"PutRequest": PUT, "DeleteRequest": DELETE}
_CONDITION = "ConditionalCheckFailedException"

Answer = dict[str, Any]
Change = tuple[Item | None, Item | None]


class Transactions:
    """All writes of a transaction happen, or none; with the same token they happen once."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock
        self.done: dict[str, tuple[float, bytes]] = {}  # the tokens and what they were used for

    def write(self, parameters: Parameters) -> Answer:
        """Do a transaction and return its answer."""
        token = parameters.get("ClientRequestToken")
        content = blake2b(repr(parameters["TransactItems"]).encode()).digest()
        if token and self._is_done(token, content):
            return {}
        writes = self._checked(parameters["TransactItems"])
        changes = _results(writes)
        for each, (_, new) in zip(writes, changes, strict=True):
            if each.kind != CHECK:
                each.table.put(each.position, new)
        if token:
            self.done[token] = (self._clock(), content)
        return _answer(parameters, writes, changes)

    def _is_done(self, token: str, content: bytes) -> bool:
        oldest = self._clock() - _REMEMBERED_SECONDS
        while self.done and (first := next(iter(self.done))) and self.done[first][0] < oldest:
            del self.done[first]
        if token in self.done and self.done[token][1] != content:
            message = "A token is used again with different parameters"
            raise Refused("IdempotentParameterMismatchException", message)
        return token in self.done

    def _checked(self, items: list[dict[str, Any]]) -> list[Write]:
        if not 0 < len(items) <= _MOST_WRITES:
            raise invalid(f"Member must have length between 1 and {_MOST_WRITES}: transactItems")
        writes = [_write_of(self._tables, each) for each in items]
        if len({(each.table.schema.name, each.position) for each in writes}) < len(writes):
            raise invalid("Transaction request cannot include multiple operations on one item")
        return writes


def _write_of(tables: Tables, item: dict[str, Any]) -> Write:
    [(kind, parameters)] = item.items()
    if kind not in _KINDS or (kind == CHECK and "ConditionExpression" not in parameters):
        raise invalid(f"TransactItems can only contain one of {_KINDS}")
    return Write(kind, tables.table(parameters["TableName"]), parameters)


def _results(writes: list[Write]) -> list[Change]:
    """Return each item before and after the transaction; refuse it with all reasons in order."""
    changes, reasons = list[Change](), list[dict[str, Any]]()
    for each in writes:
        old = each.table.get(each.position)
        try:
            changes.append((old, each.result(old)))
            reasons.append({"Code": "None"})
        except Refused as refusal:
            reasons.append(_reason(refusal))
    if len(changes) < len(writes):
        raise _canceled(reasons)
    if sum(size_of(new or {}) for _, new in changes) > _MOST_BYTES:
        raise invalid("Transaction request size has exceeded the limit of 4 MB")
    return changes


def _reason(refusal: Refused) -> dict[str, Any]:
    is_condition = refusal.code == _CONDITION
    code = "ConditionalCheckFailed" if is_condition else "ValidationError"
    return {"Code": code, "Message": refusal.message, **refusal.details}


def _canceled(reasons: list[dict[str, Any]]) -> Refused:
    codes = ", ".join(each["Code"] for each in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons [{codes}]"
    return Refused("TransactionCanceledException", message, CancellationReasons=reasons)


def _answer(parameters: Parameters, writes: list[Write], changes: list[Change]) -> Answer:
    if "ReturnConsumedCapacity" not in parameters:
        return {}
    units: Units = Units()
    for each, (old, new) in zip(writes, changes, strict=True):
        units += write_units(each.table.schema, old, new, in_transaction=True)
    return {"ConsumedCapacity": consumed(units, parameters)}


def _batched(table: Table, request: dict[str, Any]) -> Write:
    [(kind, parameters)] = request.items()
    if kind not in _BATCHED_KINDS:
        raise invalid(f"A batch can only contain one of {[*_BATCHED_KINDS]}")
    return Write(_BATCHED_KINDS[kind], table, parameters)


def batch_write(tables: Tables, parameters: Parameters) -> Answer:
    """Put and delete the items of a batch, each on its own."""
    writes = [
        _batched(tables.table(name), request)
        for name, requests in parameters["RequestItems"].items()
        for request in requests
    ]
    if not 0 < len(writes) <= _MOST_BATCHED:
        raise invalid(f"Member must have length between 1 and {_MOST_BATCHED}: requestItems")
    if len({(each.table.schema.name, each.position) for each in writes}) < len(writes):
        raise invalid("Provided list of item keys contains duplicates")
    units: Units = Units()
    changes = [(old := each.table.get(each.position), each.result(old)) for each in writes]
    for each, (old, new) in zip(writes, changes, strict=True):
        each.table.put(each.position, new)
        units += write_units(each.table.schema, old, new)
    answer: Answer = {"UnprocessedItems": {}}
    if capacity := consumed(units, parameters):
        answer["ConsumedCapacity"] = capacity
    return answer

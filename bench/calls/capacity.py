"""Capacity units from item sizes (DynamoDB's developer guide, on-demand capacity mode)."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from infra.template import declared
from tests.infra.recording import TABLES
from tests.virtual.dynamodb import READS, ask
from tests.virtual.memory.capacity import read_units as units_of
from tests.virtual.memory.capacity import write_units
from tests.virtual.memory.schemas import Schema
from tests.virtual.memory.values import size_of

Item = dict[str, Any]
Call = Mapping[str, Any]

_DECLARED = declared()["Resources"]


def read_units(operation: str, params: Call, answer: Call) -> float:
    """Return the units of a read from its answer: Darkroom's reads return all that they read."""
    if operation == "BatchGetItem":
        found = [item for items in answer.get("Responses", {}).values() for item in items]
        asked = next(iter(params["RequestItems"].values()))
        return sum(units_of(size_of(item), consistent="ConsistentRead" in asked) for item in found)
    items = [answer["Item"]] if "Item" in answer else answer.get("Items", [])
    total = sum(size_of(item) for item in items)
    return units_of(total, consistent=bool(params.get("ConsistentRead")))


class Writes:
    """The items that a call may write, as they are before the call."""

    def __init__(self, operation: str, params: Call) -> None:
        self._is_transaction = operation == "TransactWriteItems"
        writes = [("", params)]
        if self._is_transaction:
            writes = [write for each in params["TransactItems"] for write in each.items()]
        elif operation in READS:
            writes = []
        self._keys = [(write["TableName"], _key(write)) for _, write in writes]
        self._before = self._read()

    def units(self) -> float:
        """Return the units of the table and its indexes, once the call has ended."""
        written = zip(self._keys, self._before, self._read(), strict=True)
        return sum(
            write_units(_schema(name), old, new, in_transaction=self._is_transaction).total()
            for (name, _), old, new in written
        )

    def _read(self) -> list[Item | None]:
        return [ask("GetItem", {"TableName": n, "Key": k}).get("Item") for n, k in self._keys]


@cache
def _schema(name: str) -> Schema:
    return Schema(name, _DECLARED[TABLES[name]]["Properties"])


def _key(write: Call) -> Item:
    return _schema(write["TableName"]).key.of(write.get("Key") or write["Item"])

"""Capacity units from item sizes (DynamoDB's developer guide, on-demand capacity mode)."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from infra.template import declared
from tests.infra.recording import TABLES
from tests.virtual.dynamodb import READS, ask

_READ_BYTES, _WRITE_BYTES = 4096, 1024

Item = dict[str, Any]
Call = Mapping[str, Any]

_DECLARED = declared()["Resources"]


def read_units(operation: str, params: Call, answer: Call) -> float:
    """Return the units of a read from its answer: Darkroom's reads return all that they read."""
    if operation == "BatchGetItem":
        found = [item for items in answer.get("Responses", {}).values() for item in items]
        asked = next(iter(params["RequestItems"].values()))
        return sum(_read(size_of(item), consistent="ConsistentRead" in asked) for item in found)
    items = [answer["Item"]] if "Item" in answer else answer.get("Items", [])
    total = sum(size_of(item) for item in items)
    return _read(total, consistent=bool(params.get("ConsistentRead")))


def _read(size: int, *, consistent: bool) -> float:
    return max(ceil(size / _READ_BYTES), 1) * (1 if consistent else 0.5)


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
        pairs = zip(self._keys, self._before, self._read(), strict=True)
        return sum(self._units(name, old, new) for (name, _), old, new in pairs)

    def _units(self, name: str, old: Item | None, new: Item | None) -> float:
        size = max(size_of(old or {}), size_of(new or {}))
        own = max(ceil(size / _WRITE_BYTES), 1) * (2 if self._is_transaction else 1)
        indexes = _properties(name).get("GlobalSecondaryIndexes", [])
        return own + sum(_index_units(index, name, old, new) for index in indexes)

    def _read(self) -> list[Item | None]:
        return [ask("GetItem", {"TableName": n, "Key": k}).get("Item") for n, k in self._keys]


def _index_units(index: Call, name: str, old: Item | None, new: Item | None) -> float:
    before, after = (_entry(index, name, each) for each in (old, new))
    if before == after:
        return 0
    keys = [each["AttributeName"] for each in index["KeySchema"]]
    is_moved = before and after and any(before[key] != after[key] for key in keys)
    written = [before, after] if is_moved else [after or before or {}]
    return sum(max(ceil(size_of(each) / _WRITE_BYTES), 1) for each in written)


def _entry(index: Call, name: str, item: Item | None) -> Item | None:
    """Return an item's entry in an index; None if it has none."""
    keys = [each["AttributeName"] for each in index["KeySchema"]]
    if item is None or any(key not in item for key in keys):
        return None
    projection = index["Projection"]
    if projection["ProjectionType"] == "ALL":
        return item
    own = [each["AttributeName"] for each in _properties(name)["KeySchema"]]
    kept = {*keys, *own, *projection.get("NonKeyAttributes", [])}
    return {key: value for key, value in item.items() if key in kept}


def _properties(name: str) -> Call:
    properties: Call = _DECLARED[TABLES[name]]["Properties"]
    return properties


def _key(write: Call) -> Item:
    names = [each["AttributeName"] for each in _properties(write["TableName"])["KeySchema"]]
    given = write.get("Key") or write["Item"]
    return {name: given[name] for name in names}


def size_of(item: Item) -> int:
    """Return the bytes of an item as DynamoDB counts them."""
    return sum(len(name.encode()) + _value(value) for name, value in item.items())


def _value(typed: Call) -> int:
    [(kind, value)] = typed.items()
    if kind in ("BOOL", "NULL"):
        return 1
    if kind == "N":
        return ceil(len(value.strip("-").replace(".", "")) / 2) + 1
    if kind == "M":
        return 3 + sum(len(name.encode()) + _value(each) + 1 for name, each in value.items())
    if kind == "L":
        return 3 + sum(_value(each) + 1 for each in value)
    if kind in ("SS", "NS"):
        return sum(len(each.encode()) for each in value)
    return len(value.encode() if isinstance(value, str) else value)

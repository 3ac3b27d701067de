"""Capacity units of reads and writes (developer guide, on-demand capacity mode)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

from tests.virtual.memory.schemas import Schema
from tests.virtual.memory.values import Item, size_of

_READ_BYTES, _WRITE_BYTES = 4096, 1024

# Units by table and index; None for the table itself.
Units = Counter[tuple[str, str | None]]
Spent = Mapping[tuple[str, str | None], float]


def read_units(size: int, *, consistent: bool) -> float:
    """Return the units of reading so many bytes."""
    return max(ceil(size / _READ_BYTES), 1) * (1 if consistent else 0.5)


def write_units(
    schema: Schema, old: Item | None, new: Item | None, *, in_transaction: bool = False
) -> Units:
    """Return the units of a write, also of each index that it changes."""
    size = max(size_of(old or {}), size_of(new or {}))
    units: Units = Counter({(schema.name, None): _write(size) * (2 if in_transaction else 1)})
    for name, index in schema.indexes.items():
        before, after = index.entry(old), index.entry(new)
        if before != after:
            units[schema.name, name] = _index_units(index.key.names, before or {}, after or {})
    return units


def _write(size: int) -> int:
    return max(ceil(size / _WRITE_BYTES), 1)


def _index_units(names: Iterable[str], before: Item, after: Item) -> int:
    """Return the units of an entry; one whose key changes is deleted and put."""
    if before and after and any(before[name] != after[name] for name in names):
        return _write(size_of(before)) + _write(size_of(after))
    return _write(max(size_of(before), size_of(after)))


def consumed(units: Spent, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the consumed capacity of each table, as far as a call asks for it."""
    wanted = parameters.get("ReturnConsumedCapacity", "NONE")
    if wanted == "NONE":
        return []
    tables = dict.fromkeys(table for table, _ in units)
    return [_of_table(units, table, in_detail=wanted == "INDEXES") for table in tables]


def _of_table(units: Spent, table: str, *, in_detail: bool) -> dict[str, Any]:
    parts = {index: float(count) for (name, index), count in units.items() if name == table}
    answer: dict[str, Any] = {"TableName": table, "CapacityUnits": sum(parts.values())}
    if in_detail:
        answer["Table"] = {"CapacityUnits": parts.pop(None, 0.0)}
        answer["GlobalSecondaryIndexes"] = {
            str(index): {"CapacityUnits": count} for index, count in parts.items()
        }
    return answer

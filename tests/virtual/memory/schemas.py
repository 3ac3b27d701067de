"""What a table and its indexes declare: keys, their types, and what an index projects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from tests.virtual.memory.refusals import invalid
from tests.virtual.memory.values import Item, Typed, is_larger, order_of, size_of

# A place in the order of a table or an index: a hash of the partition key, the partition key, and
# the sort key; in an index also the primary key of the item.
Position = tuple[Any, ...]

_NO_SORT_KEY = ""
_EMPTY = ({"S": ""}, {"B": b""})
_MOST_BYTES = {"HASH": 2048, "RANGE": 1024}
_LARGEST_ITEM = 400 * 1024


@dataclass(frozen=True)
class Key:
    """The attributes of a key: of the partition key, and perhaps of the sort key."""

    names: tuple[str, ...]

    @classmethod
    def declared(cls, schema: list[dict[str, str]]) -> "Key":
        ordered = sorted(schema, key=lambda each: each["KeyType"])  # HASH before RANGE
        return cls(tuple(each["AttributeName"] for each in ordered))

    def position(self, item: Item) -> Position:
        """Return the place of an item that has the key's attributes."""
        partition = order_of(item[self.names[0]])
        sort = order_of(item[self.names[1]]) if self.names[1:] else _NO_SORT_KEY
        return (*self.partition(partition), sort)

    def partition(self, value: Any) -> Position:
        """Return the start of all places of a partition; partitions have an order like random."""
        return (crc32(str(value).encode()), value)

    def of(self, item: Item) -> Item:
        return {name: item[name] for name in self.names}


@dataclass(frozen=True)
class Index:
    """A global secondary index; `kept` are the projected attributes, None for all."""

    name: str
    key: Key
    kept: frozenset[str] | None

    def entry(self, item: Item | None) -> Item | None:
        """Return an item's entry; None if it lacks an attribute of the index's key."""
        if item is None or any(name not in item for name in self.key.names):
            return None
        if self.kept is None:
            return item
        return {name: item[name] for name in self.kept if name in item}


class Schema:
    """The declaration of a table."""

    def __init__(self, name: str, declared: Mapping[str, Any]) -> None:
        self.name, self.declared = name, declared
        self.key = Key.declared(declared["KeySchema"])
        self.kinds = {
            each["AttributeName"]: each["AttributeType"]
            for each in declared["AttributeDefinitions"]
        }
        indexes = declared.get("GlobalSecondaryIndexes", [])
        self.indexes = {each["IndexName"]: self._index(each) for each in indexes}

    def _index(self, declared: Mapping[str, Any]) -> Index:
        key, projection = Key.declared(declared["KeySchema"]), declared["Projection"]
        kept = {*key.names, *self.key.names, *projection.get("NonKeyAttributes", ())}
        is_all = projection["ProjectionType"] == "ALL"
        return Index(declared["IndexName"], key, None if is_all else frozenset(kept))

    @property
    def key_names(self) -> set[str]:
        """Return the attributes of all keys."""
        keys = [self.key, *(each.key for each in self.indexes.values())]
        return {name for key in keys for name in key.names}

    def index(self, name: str) -> Index:
        if name not in self.indexes:
            raise invalid(f"The table does not have the specified index: {name}")
        return self.indexes[name]

    def key_of(self, item: Item, *, exactly: bool) -> Position:
        """Return the place of an item, or of the key of one; refuse keys that are not valid."""
        if exactly and {*item} != {*self.key.names}:
            raise invalid("The provided key element does not match the schema")
        for name, role in zip(self.key.names, ("HASH", "RANGE"), strict=False):
            self._check_key(name, item.get(name), role)
        return self.key.position(item)

    def _check_key(self, name: str, value: Typed | None, role: str) -> None:
        if value is None:
            raise invalid(f"One of the required keys was not given a value: {name}")
        if self.kinds[name] not in value:
            raise invalid(f"Type mismatch for key {name}, expected: {self.kinds[name]}")
        if value in _EMPTY:
            raise invalid(f"A key attribute cannot contain an empty string value. Key: {name}")
        if len(value.get("S", "")) * 4 > _MOST_BYTES[role] < size_of({"": value}):
            raise invalid(f"Size of key has exceeded the limit of {_MOST_BYTES[role]} bytes")

    def check_item(self, item: Item) -> None:
        """Refuse an item that is too large, or whose index keys are not valid."""
        if is_larger(item, _LARGEST_ITEM):
            raise invalid("Item size has exceeded the maximum allowed size")
        for index in self.indexes.values():
            for name, role in zip(index.key.names, ("HASH", "RANGE"), strict=False):
                if name in item:
                    self._check_key(name, item[name], role)

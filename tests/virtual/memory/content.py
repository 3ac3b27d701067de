"""The items of a table and of its indexes, in order; a snapshot shares them until a write."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

from msgspec import json
from sortedcontainers import SortedDict

from tests.virtual.memory.schemas import Position, Schema
from tests.virtual.memory.values import Item, size_of


class Stored:
    """An item as it is stored; it never changes, so its size and digest are computed once."""

    def __init__(self, item: Item) -> None:
        self.item = item

    @cached_property
    def size(self) -> int:
        return size_of(self.item)

    @cached_property
    def digest(self) -> int:
        text = json.encode(self.item, order="deterministic")
        return int.from_bytes(blake2b(text, digest_size=16).digest(), "big")


@dataclass(frozen=True)
class IndexWrite:
    """What a write changes in an index: an entry that goes, and one that comes."""

    index: str
    old: Position | None
    new: Position | None
    entry: Stored | None


@dataclass
class Content:
    """All that a table contains; `later` are the writes that its indexes do not show yet."""

    items: Any
    indexes: dict[str, Any]
    later: list[tuple[float, IndexWrite]] = field(default_factory=list)
    is_shared: bool = False

    @classmethod
    def empty(cls, schema: Schema) -> "Content":
        return cls(SortedDict(), {name: SortedDict() for name in schema.indexes})

    def writable(self) -> "Content":
        """Return this content, or a copy of it if a snapshot has it too."""
        if not self.is_shared:
            return self
        indexes = {name: index.copy() for name, index in self.indexes.items()}
        return Content(self.items.copy(), indexes, [*self.later])

    def fill(self, schema: Schema, items: Iterable[Item]) -> None:
        """Store very many new items, which the indexes show at once."""
        stored = {schema.key_of(each, exactly=False): Stored(each) for each in items}
        self.items.update(stored)
        for name, index in schema.indexes.items():
            entries = {
                index.key.position(entry) + position: Stored(entry)
                for position, each in stored.items()
                if (entry := index.entry(each.item)) is not None
            }
            self.indexes[name].update(entries)

    def put(self, position: Position, item: Item | None) -> None:
        """Store an item, or delete it if it is None."""
        if item is not None:
            self.items[position] = Stored(item)
        else:
            self.items.pop(position, None)

    def show(self, write: IndexWrite) -> None:
        """Have an index show a write."""
        index = self.indexes[write.index]
        if write.old is not None and write.old != write.new:
            index.pop(write.old, None)
        if write.new is not None:
            index[write.new] = write.entry

    def show_until(self, now: float) -> None:
        """Have the indexes show the writes that are due, in their order."""
        due = [write for at, write in self.later if at <= now]
        self.later = [each for each in self.later if each[0] > now]
        for write in due:
            self.show(write)

    def digest(self, now: float) -> bytes:
        """Return a digest of the items, and of what the indexes do not show yet."""
        total = sum(stored.digest for stored in self.items.values())
        waiting = [(at, repr(each.old), repr(each.new)) for at, each in self.later if at > now]
        return blake2b(f"{total} {waiting}".encode(), digest_size=16).digest()


def index_writes(
    schema: Schema, position: Position, old: Item | None, new: Item | None
) -> Iterator[IndexWrite]:
    """Yield what a write of an item changes in the indexes."""
    changed = _changed(old or {}, new or {})
    for name, index in schema.indexes.items():
        if index.kept is not None and index.kept.isdisjoint(changed):
            continue
        before, after = index.entry(old), index.entry(new)
        if before != after:
            gone, come = (
                None if each is None else index.key.position(each) + position
                for each in (before, after)
            )
            yield IndexWrite(name, gone, come, None if after is None else Stored(after))


def _changed(old: Item, new: Item) -> set[str]:
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}

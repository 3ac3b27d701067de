"""The tables: what each contains, when its indexes show it, and snapshots of all of it."""

from collections.abc import Callable, Collection, Mapping
from hashlib import blake2b
from typing import Any

from tests.virtual.memory.content import Content, index_writes
from tests.virtual.memory.refusals import absent
from tests.virtual.memory.schemas import Position, Schema
from tests.virtual.memory.values import Item

Clock = Callable[[], float]
# After how many seconds indexes show the write that is made now.
Lag = Callable[[], float]


class Table:
    """A table and its indexes."""

    def __init__(self, schema: Schema, content: Content, clock: Clock, lag: Lag | None) -> None:
        self.schema, self.content = schema, content
        self._clock, self._lag = clock, lag

    def get(self, position: Position) -> Item | None:
        stored = self.content.items.get(position)
        return None if stored is None else stored.item

    def description(self) -> dict[str, Any]:
        """Return what DescribeTable says that callers read."""
        items = self.content.items.values()
        return {
            "TableName": self.schema.name,
            "TableStatus": "ACTIVE",
            "KeySchema": self.schema.declared["KeySchema"],
            "AttributeDefinitions": self.schema.declared["AttributeDefinitions"],
            "ItemCount": len(items),
            "TableSizeBytes": sum(stored.size for stored in items),
        }

    def order(self, index: str | None) -> Any:
        """Return what is stored in the table, or what an index shows, by position."""
        if index is None:
            return self.content.items
        now = self._clock()
        if any(at <= now for at, _ in self.content.later):
            self.content = self.content.writable()
            self.content.show_until(now)
        return self.content.indexes[index]

    def put(self, position: Position, item: Item | None) -> None:
        """Store an item, or delete it if it is None; the indexes show that after the lag."""
        old = self.get(position)
        if old is None and item is None:
            return
        self.content = self.content.writable()
        self.content.put(position, item)
        at = self._shown_at(position)
        for write in index_writes(self.schema, position, old, item):
            if at is None:
                self.content.show(write)
            else:
                self.content.later.append((at, write))

    def fill(self, items: Collection[Item]) -> None:
        """Store very many new items, which are not checked; the indexes show them at once."""
        self.content = self.content.writable()
        self.content.fill(self.schema, items)

    def _shown_at(self, position: Position) -> float | None:
        """Return when indexes show a write: at once, or after the earlier ones of its item."""
        if self._lag is None:
            return None
        own = [at for at, write in self.content.later if position in _items_of(write)]
        return max([self._clock() + self._lag(), *own])


def _items_of(write: Any) -> list[Position]:
    return [each[3:] for each in (write.old, write.new) if each is not None]


Snapshot = Mapping[str, Any]


class Tables:
    """All tables of an account."""

    def __init__(self, clock: Clock, lag: Lag | None) -> None:
        self._clock, self._lag = clock, lag
        self._tables: dict[str, Table] = {}

    @property
    def names(self) -> list[str]:
        return sorted(self._tables)

    def table(self, name: str) -> Table:
        if name not in self._tables:
            raise absent(name)
        return self._tables[name]

    def create(self, schema: Schema) -> None:
        content = Content.empty(schema)
        self._tables[schema.name] = Table(schema, content, self._clock, self._lag)

    def delete(self, name: str) -> None:
        self._tables.pop(self.table(name).schema.name)

    def copy(self) -> Snapshot:
        """Return a snapshot; it costs little until something is written."""
        for table in self._tables.values():
            table.content.is_shared = True
        return {name: (each.schema, each.content) for name, each in self._tables.items()}

    def restore(self, snapshot: Snapshot) -> None:
        """Have the tables contain what they did when a snapshot was made."""
        self._tables = {
            name: Table(schema, content, self._clock, self._lag)
            for name, (schema, content) in snapshot.items()
        }

    def digest(self) -> str:
        """Return a digest that is the same for the same tables and items, in every process."""
        now = self._clock()
        parts = [
            name.encode() + table.content.digest(now)
            for name, table in sorted(self._tables.items())
        ]
        return blake2b(b" ".join(parts), digest_size=16).hexdigest()

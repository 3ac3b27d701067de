"""One kind of catalog item: a partition of the catalog table, in id order."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.config import config
from chalicelib.errors import NotFound
from chalicelib.models.table import Table

Fields = dict[str, Any]


class Entry(Table):
    """An item, a catalog's counter, a claim on a unique name (see `NamedCatalog`), or a mark."""

    class Meta:
        table_name = config.catalog_table

    catalog = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    fields: MapAttribute[str, Any] = MapAttribute(null=True)
    last_id = NumberAttribute(null=True)
    began_at = NumberAttribute(null=True)


_LAST = ":"  # sorts after all digits


def key_of(item_id: int) -> str:
    """Return an id as a text that sorts like the number."""
    return f"{item_id:012d}"


class Catalog(Struct, frozen=True):
    """Items whose names need not be unique; ids are never used twice."""

    name: str
    noun: str

    def items(self, after: int = 0) -> Iterator[tuple[int, Fields]]:
        """Yield the items with ids above `after` in id order, read as they are consumed."""
        rest = Entry.key.between(key_of(after + 1), _LAST)
        for entry in Entry.query(self.name, rest, consistent_read=True):
            yield int(entry.key), entry.fields.as_dict()

    def get(self, item_id: int) -> Fields:
        """Return an item's fields, or raise NotFound."""
        try:
            entry = Entry.get(self.name, key_of(item_id), consistent_read=True)
        except Entry.DoesNotExist:
            raise self._missing(item_id) from None
        fields: Fields = entry.fields.as_dict()
        return fields

    def create(self, fields: Fields) -> int:
        """Store a new item and return its id."""
        item_id = self._next_id()
        Entry(self.name, key_of(item_id), fields=fields).create()
        return item_id

    def replace(self, item_id: int, fields: Fields) -> None:
        """Replace all fields of an item, or raise NotFound."""
        entry = Entry(self.name, key_of(item_id))
        if not entry.update_if(Entry.catalog.exists(), Entry.fields.set(fields)):
            raise self._missing(item_id)

    def delete(self, item_id: int) -> None:
        """Remove an item, or raise NotFound."""
        self.get(item_id)
        # Without a condition, so that a deletion whose response is lost can be repeated.
        Entry(self.name, key_of(item_id)).delete()

    def entries(self, items: list[Fields]) -> Iterator[Entry]:
        """Yield the entries that store these first items in an empty catalog."""
        yield Entry(f"{self.name}:counter", "last", last_id=len(items))
        for item_id, fields in enumerate(items, start=1):
            yield Entry(self.name, key_of(item_id), fields=fields)

    def _next_id(self) -> int:
        counter = Entry(f"{self.name}:counter", "last")
        counter.update([Entry.last_id.add(1)])
        return int(counter.last_id or 0)

    def _missing(self, item_id: int) -> NotFound:
        return NotFound(
            f"{self.noun.lower()} {item_id} does not exist", title=f"{self.noun} not found"
        )

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
    """An item, or a catalog's counter, or the claim on a unique name: see `NamedCatalog`."""

    class Meta:
        table_name = config.catalog_table

    catalog = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    fields: MapAttribute[str, Any] = MapAttribute(null=True)
    last_id = NumberAttribute(null=True)
    began_at = NumberAttribute(null=True)


_LAST = ":"  # behind all digits


def key_of(item_id: int) -> str:
    """Write an id so that texts sort as numbers do."""
    return f"{item_id:012d}"


class Catalog(Struct, frozen=True):
    """Items that may be called alike; ids are never used twice."""

    name: str
    noun: str

    def items(self, after: int = 0) -> Iterator[tuple[int, Fields]]:
        """Yield items in id order, those above `after`, reading on only as they are consumed."""
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
        # Without a condition, so that a deletion whose answer is lost can be repeated.
        Entry(self.name, key_of(item_id)).delete()

    def entries(self, items: list[Fields]) -> Iterator[Entry]:
        """Yield all that an empty catalog has to hold to begin with these items."""
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

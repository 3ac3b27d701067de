"""The four catalogs in one table: a partition each, in id order, ids never used twice."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import TransactWriteError, UpdateError
from pynamodb.expressions.condition import Condition

from chalicelib.config import config
from chalicelib.errors import InvalidRequest, NotFound
from chalicelib.models.table import (
    REFUSED,
    Table,
    cancellations,
    lost_race,
    transaction,
    was_refused,
)

Fields = dict[str, Any]

_RENAME_RACES = 5
_SEEDED = "seeded"


class Entry(Table):
    """An item, or a catalog's counter, or the claim on a unique name: see `Catalog`."""

    class Meta:
        table_name = config.catalog_table

    catalog = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    fields: MapAttribute[str, Any] = MapAttribute(null=True)
    last_id = NumberAttribute(null=True)


def _key(item_id: int) -> str:
    return f"{item_id:012d}"


class Catalog(Struct, frozen=True):
    """One kind of item; `unique` names the field that no two items may share, if any."""

    name: str
    noun: str
    unique: str | None = None

    def items(self, after: int = 0) -> Iterator[tuple[int, Fields]]:
        """Yield items in id order, those above `after`, reading on only as they are consumed."""
        rest = Entry.key > _key(after)
        for entry in Entry.query(self.name, rest, consistent_read=True):
            yield int(entry.key), entry.fields.as_dict()

    def get(self, item_id: int) -> Fields:
        """Return an item's fields, or raise NotFound."""
        try:
            entry = Entry.get(self.name, _key(item_id), consistent_read=True)
        except Entry.DoesNotExist:
            raise self._missing(item_id) from None
        fields: Fields = entry.fields.as_dict()
        return fields

    def create(self, fields: Fields) -> int:
        """Store a new item and return its id; raise InvalidRequest when its name is taken."""
        item_id = self._next_id()
        entry = Entry(self.name, _key(item_id), fields=fields)
        try:
            with transaction() as writes:
                writes.save(entry)
                if self.unique:
                    claim = self._claim(fields[self.unique])
                    writes.save(claim, condition=Entry.catalog.does_not_exist())
        except TransactWriteError as error:
            raise self._taken(error) from error
        return item_id

    def replace(self, item_id: int, fields: Fields) -> None:
        """Replace all fields of an item; raise NotFound, or InvalidRequest as `create` does."""
        if not self.unique:
            return self._overwrite(item_id, fields)
        for _ in range(_RENAME_RACES):
            if self._rename(item_id, self.get(item_id), fields):
                return None
        raise InvalidRequest(f"{self.noun} {item_id} is being changed by others; try again")

    def delete(self, item_id: int) -> None:
        """Remove an item, or raise NotFound."""
        entry, fields = Entry(self.name, _key(item_id)), self.get(item_id)
        try:
            with transaction() as writes:
                writes.delete(entry, condition=Entry.catalog.exists())
                if self.unique:
                    writes.delete(self._claim(fields[self.unique]))
        except TransactWriteError as error:
            if REFUSED not in cancellations(error):
                raise
            raise self._missing(item_id) from error

    def entries(self, items: list[Fields]) -> Iterator[Entry]:
        """Yield all that an empty catalog has to hold to begin with these items."""
        yield Entry(f"{self.name}:counter", "last", last_id=len(items))
        for item_id, fields in enumerate(items, start=1):
            yield Entry(self.name, _key(item_id), fields=fields)
            if self.unique:
                yield self._claim(fields[self.unique])

    def _next_id(self) -> int:
        counter = Entry(f"{self.name}:counter", "last")
        counter.update([Entry.last_id.add(1)])
        return int(counter.last_id or 0)

    def _claim(self, name: str) -> Entry:
        return Entry(f"{self.name}:names", name)

    def _overwrite(self, item_id: int, fields: Fields) -> None:
        try:
            Entry(self.name, _key(item_id)).update(
                [Entry.fields.set(fields)], condition=Entry.catalog.exists()
            )
        except UpdateError as error:
            if not was_refused(error):
                raise
            raise self._missing(item_id) from error

    def _rename(self, item_id: int, old: Fields, new: Fields) -> bool:
        """Replace an item if its name is still the old one; False when somebody was faster."""
        unique = self.unique or ""
        old_name, new_name = old[unique], new[unique]
        unchanged: Condition = Entry.fields[unique] == old_name
        try:
            with transaction() as writes:
                writes.save(Entry(self.name, _key(item_id), fields=new), condition=unchanged)
                if new_name != old_name:
                    free = Entry.catalog.does_not_exist()
                    writes.save(self._claim(new_name), condition=free)
                    writes.delete(self._claim(old_name))
        except TransactWriteError as error:
            # Deletions come first in a transaction and writes in their order: the claim is last.
            if new_name != old_name and cancellations(error)[-1:] == [REFUSED]:
                raise self._taken(error) from error
            if not lost_race(error):
                raise
            return False
        return True

    def _taken(self, error: TransactWriteError) -> Exception:
        if REFUSED not in cancellations(error):
            return error
        return InvalidRequest(
            f"another {self.noun.lower()} has this {self.unique}",
            field=self.unique,
            suggestion=f"Choose another {self.unique}, or update the existing {self.noun.lower()}",
        )

    def _missing(self, item_id: int) -> NotFound:
        return NotFound(
            f"{self.noun.lower()} {item_id} does not exist", title=f"{self.noun} not found"
        )


SETTINGS = Catalog("settings", "Setting", unique="name")
STYLES = Catalog("styles", "Style")
FORMATS = Catalog("formats", "Format")
PROMPT_EXAMPLES = Catalog("prompt_examples", "Example")

CATALOGS = (SETTINGS, STYLES, FORMATS, PROMPT_EXAMPLES)


def is_new() -> bool:
    """Tell whether the table never had its first items."""
    return next(Entry.query(_SEEDED, limit=1, consistent_read=True), None) is None


def begin_with(first: dict[str, list[Fields]]) -> None:
    """Store the first items of every catalog, all or none, unless that was done before."""
    unused = Entry.catalog.does_not_exist()
    try:
        with transaction() as writes:
            writes.save(Entry(_SEEDED, "once"), condition=unused)
            for catalog in CATALOGS:
                for entry in catalog.entries(first[catalog.name]):
                    writes.save(entry, condition=unused)
    except TransactWriteError as error:
        if not lost_race(error):
            raise

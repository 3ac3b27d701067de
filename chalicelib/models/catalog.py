"""The four catalogs in one table: a partition each, in id order, ids never used twice."""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct
from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DeleteError, TransactWriteError, UpdateError
from pynamodb.expressions.condition import Condition

from chalicelib.config import config
from chalicelib.errors import DarkroomError, InvalidRequest, NotFound
from chalicelib.models.table import (
    REFUSED,
    Table,
    cancellations,
    lost_race,
    transaction,
    was_refused,
)

Fields = dict[str, Any]

_RACES = 25
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
        for _ in range(_RACES):
            if self._store(item_id, fields):
                return item_id
        raise self._contended(item_id)

    def replace(self, item_id: int, fields: Fields) -> None:
        """Replace all fields of an item; raise NotFound, or InvalidRequest as `create` does."""
        if not self.unique:
            return self._overwrite(item_id, fields)
        return self._race(item_id, lambda old: self._rename(item_id, old, fields))

    def delete(self, item_id: int) -> None:
        """Remove an item, or raise NotFound."""
        if not self.unique:
            return self._remove(item_id)
        return self._race(item_id, lambda old: self._remove_named(item_id, old))

    def entries(self, items: list[Fields]) -> Iterator[Entry]:
        """Yield all that an empty catalog has to hold to begin with these items."""
        yield Entry(f"{self.name}:counter", "last", last_id=len(items))
        for item_id, fields in enumerate(items, start=1):
            yield Entry(self.name, _key(item_id), fields=fields)
            if self.unique:
                yield self._claim(self._name_of(fields))

    def _next_id(self) -> int:
        counter = Entry(f"{self.name}:counter", "last")
        counter.update([Entry.last_id.add(1)])
        return int(counter.last_id or 0)

    def _claim(self, name: str) -> Entry:
        return Entry(f"{self.name}:names", name)

    def _race(self, item_id: int, change: Callable[[Fields], bool]) -> None:
        """Apply a change that holds only while its item stays as it was read."""
        for _ in range(_RACES):
            if change(self.get(item_id)):
                return
        raise self._contended(item_id)

    def _store(self, item_id: int, fields: Fields) -> bool:
        """Store a new item; False when another has the same name in hand just now."""
        try:
            with transaction() as writes:
                writes.save(Entry(self.name, _key(item_id), fields=fields))
                if self.unique:
                    claim = self._claim(self._name_of(fields))
                    writes.save(claim, condition=Entry.catalog.does_not_exist())
        except TransactWriteError as error:
            if not lost_race(error):
                raise
            if REFUSED in cancellations(error):
                raise self._taken() from error
            return False
        return True

    def _overwrite(self, item_id: int, fields: Fields) -> None:
        try:
            Entry(self.name, _key(item_id)).update(
                [Entry.fields.set(fields)], condition=Entry.catalog.exists()
            )
        except UpdateError as error:
            if not was_refused(error):
                raise
            raise self._missing(item_id) from error

    def _remove(self, item_id: int) -> None:
        try:
            Entry(self.name, _key(item_id)).delete(condition=Entry.catalog.exists())
        except DeleteError as error:
            if not was_refused(error):
                raise
            raise self._missing(item_id) from error

    def _rename(self, item_id: int, old: Fields, new: Fields) -> bool:
        """Replace an item if its name is still the old one; False when somebody was faster."""
        old_name, new_name = self._name_of(old), self._name_of(new)
        try:
            with transaction() as writes:
                item = Entry(self.name, _key(item_id), fields=new)
                writes.save(item, condition=self._is_named(old_name))
                if new_name != old_name:
                    writes.save(self._claim(new_name), condition=Entry.catalog.does_not_exist())
                    writes.delete(self._claim(old_name))
        except TransactWriteError as error:
            if not lost_race(error):
                raise
            # Deletions come first in a transaction, then writes in their order: the claim is
            # last, and counts only if the item was as it had been read.
            if cancellations(error)[-2:] == ["", REFUSED]:
                raise self._taken() from error
            return False
        return True

    def _remove_named(self, item_id: int, old: Fields) -> bool:
        """Remove an item and free its name, if it is still the old one."""
        name = self._name_of(old)
        try:
            with transaction() as writes:
                item = Entry(self.name, _key(item_id))
                writes.delete(item, condition=self._is_named(name))
                writes.delete(self._claim(name))
        except TransactWriteError as error:
            if not lost_race(error):
                raise
            return False
        return True

    def _name_of(self, fields: Fields) -> str:
        return str(fields[self.unique or ""])

    def _is_named(self, name: str) -> Condition:
        condition: Condition = Entry.fields[self.unique or ""] == name
        return condition

    def _taken(self) -> InvalidRequest:
        return InvalidRequest(
            f"another {self.noun.lower()} has this {self.unique}",
            field=self.unique,
            suggestion=f"Choose another {self.unique}, or update the existing {self.noun.lower()}",
        )

    def _contended(self, item_id: int) -> DarkroomError:
        return DarkroomError(f"{self.noun.lower()} {item_id} is being changed by others")

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

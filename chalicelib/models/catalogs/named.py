"""A catalog whose items have unique names: an entry claims each name in use."""

from collections.abc import Callable, Iterator

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition

from chalicelib.errors import InvalidRequest, Overloaded
from chalicelib.models.catalogs.item import Catalog, Entry, Fields, key_of
from chalicelib.models.table import REFUSED, cancellations, lost_race, transaction

_RACES = 25


class NamedCatalog(Catalog, frozen=True):
    """Items with a unique `name`."""

    def create(self, fields: Fields) -> int:
        """Store a new item and return its id; raise InvalidRequest when its name is taken."""
        item_id = self._next_id()
        for _ in range(_RACES):
            if self._store(item_id, fields):
                return item_id
        raise self._contended()

    def replace(self, item_id: int, fields: Fields) -> None:
        """Replace all fields of an item; raise NotFound, or InvalidRequest as `create` does."""
        self._race(item_id, lambda old: self._rename(item_id, old["name"], fields))

    def delete(self, item_id: int) -> None:
        """Remove an item and free its name, or raise NotFound."""
        self._race(item_id, lambda old: self._remove(item_id, old["name"]))

    def entries(self, items: list[Fields]) -> Iterator[Entry]:
        """Yield the entries that store these first items in an empty catalog."""
        yield from super().entries(items)
        yield from (self._claim(fields["name"]) for fields in items)

    def _race(self, item_id: int, change: Callable[[Fields], bool]) -> None:
        """Apply a change to an item as it was read; read it again and retry if it has changed."""
        for _ in range(_RACES):
            if change(self.get(item_id)):
                return
        raise self._contended()

    def _store(self, item_id: int, fields: Fields) -> bool:
        """Store a new item; return False while another request writes the same name."""
        try:
            with transaction() as writes:
                writes.save(Entry(self.name, key_of(item_id), fields=fields))
                claim = self._claim(fields["name"])
                writes.save(claim, condition=Entry.catalog.does_not_exist())
        except TransactWriteError as error:
            if not lost_race(error):
                raise
            if REFUSED in cancellations(error):
                raise self._taken() from error
            return False
        return True

    def _rename(self, item_id: int, old_name: str, new: Fields) -> bool:
        """Replace an item if it has the old name; return False if another request was faster."""
        try:
            with transaction() as writes:
                item = Entry(self.name, key_of(item_id), fields=new)
                writes.save(item, condition=_is_named(old_name))
                if new["name"] != old_name:
                    claim = self._claim(new["name"])
                    writes.save(claim, condition=Entry.catalog.does_not_exist())
                    writes.delete(self._claim(old_name))
        except TransactWriteError as error:
            if not lost_race(error):
                raise
            # PynamoDB sends deletions first, then saves in their order: the claim is last. The
            # name is taken only if the item itself was as it had been read.
            if cancellations(error)[-2:] == ["", REFUSED]:
                raise self._taken() from error
            return False
        return True

    def _remove(self, item_id: int, name: str) -> bool:
        """Remove an item if it still has this name; return False if another request was faster."""
        try:
            with transaction() as writes:
                item = Entry(self.name, key_of(item_id))
                writes.delete(item, condition=_is_named(name))
                writes.delete(self._claim(name))
        except TransactWriteError as error:
            if not lost_race(error):
                raise
            return False
        return True

    def _claim(self, name: str) -> Entry:
        return Entry(f"{self.name}:names", name)

    def _taken(self) -> InvalidRequest:
        noun = self.noun.lower()
        return InvalidRequest(
            f"another {noun} has this name",
            field="name",
            suggestion=f"Choose another name, or update the existing {noun}",
        )

    def _contended(self) -> Overloaded:
        return Overloaded(
            f"other requests are changing this {self.noun.lower()}; nothing was stored"
        )


def _is_named(name: str) -> Condition:
    condition: Condition = Entry.fields["name"] == name
    return condition

"""The four catalogs, and their first items."""

from pynamodb.exceptions import TransactWriteError

from chalicelib.models.catalogs.item import Catalog, Entry, Fields
from chalicelib.models.catalogs.named import NamedCatalog
from chalicelib.models.table import lost_race, transaction

_SEEDED = "seeded"

SETTINGS = NamedCatalog("settings", "Setting")
STYLES = Catalog("styles", "Style")
FORMATS = Catalog("formats", "Format")
PROMPT_EXAMPLES = Catalog("prompt_examples", "Example")

CATALOGS = (SETTINGS, STYLES, FORMATS, PROMPT_EXAMPLES)


def is_new() -> bool:
    """Return whether the first items were never stored."""
    return _seeded() is None


def began_at() -> float | None:
    """Return when the first items were stored, in seconds since the epoch; None if not known."""
    seeded = _seeded()
    return float(seeded.began_at) if seeded and seeded.began_at is not None else None


def _seeded() -> Entry | None:
    return next(Entry.query(_SEEDED, limit=1, consistent_read=True), None)


def begin_with(first: dict[str, list[Fields]], *, now: float) -> None:
    """Store the first items of every catalog, all or none, unless they were stored before."""
    unused = Entry.catalog.does_not_exist()
    try:
        with transaction() as writes:
            writes.save(Entry(_SEEDED, "once", began_at=now), condition=unused)
            for catalog in CATALOGS:
                for entry in catalog.entries(first[catalog.name]):
                    writes.save(entry, condition=unused)
    except TransactWriteError as error:
        if not lost_race(error):
            raise

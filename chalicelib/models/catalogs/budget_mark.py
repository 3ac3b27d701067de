"""When the daily budget is used up, beside the settings: who reads them reads it, too.

The reconciler writes it, and nobody else.
"""

from msgspec import Struct

from chalicelib.days import day_start
from chalicelib.models.catalogs.catalog import SETTINGS
from chalicelib.models.catalogs.item import Entry, Fields

_KEY = ":budget"  # behind all ids, which are digits


class BudgetMark(Struct, frozen=True):
    """The time from which a budget of so many dollars is used up, until that day ends in UTC."""

    ends_at: float
    dollars: float

    def is_exhausted(self, dollars: float | None, now: float) -> bool:
        """Tell whether a budget is used up now; one that was raised since is not."""
        is_today = day_start(now) <= self.ends_at <= now
        return dollars is not None and is_today and dollars <= self.dollars


def settings_and_mark() -> tuple[list[Fields], BudgetMark | None]:
    """Read all settings, and the mark of the budget if there is one, in one query."""
    settings, mark = list[Fields](), None
    for entry in Entry.query(SETTINGS.name, consistent_read=True):
        if entry.key == _KEY:
            mark = _mark(entry)
        else:
            settings.append(entry.fields.as_dict())
    return settings, mark


def read() -> BudgetMark | None:
    """Return what was last written."""
    try:
        return _mark(Entry.get(SETTINGS.name, _KEY, consistent_read=True))
    except Entry.DoesNotExist:
        return None


def write(mark: BudgetMark) -> None:
    """Put a mark in the place of the last one."""
    fields = {"ends_at": mark.ends_at, "dollars": mark.dollars}
    Entry(SETTINGS.name, _KEY).update([Entry.fields.set(fields)])


def _mark(entry: Entry) -> BudgetMark:
    fields = entry.fields.as_dict()
    return BudgetMark(float(fields["ends_at"]), float(fields["dollars"]))

"""When the daily budget is used up: stored with the settings, so that one query reads both.

Only the reconciler writes it.
"""

from msgspec import Struct

from chalicelib.days import day_start
from chalicelib.models.catalogs.catalog import SETTINGS
from chalicelib.models.catalogs.item import Entry, Fields

_KEY = ":budget"  # sorts after all ids, which are digits


class BudgetMark(Struct, frozen=True):
    """A budget of `dollars` is used up from `ends_at` (0 is never) until that day ends in UTC."""

    ends_at: float
    dollars: float

    def is_exhausted(self, dollars: float | None, now: float) -> bool:
        """Return whether a budget is used up now; a budget that was raised since is not."""
        is_today = day_start(now) <= self.ends_at <= now
        return dollars is not None and is_today and dollars <= self.dollars

    def ends_today(self, dollars: float | None, now: float) -> float | None:
        """Return when a budget is used up today, None if it is not as far as is known."""
        is_known = dollars is not None and self.ends_at >= day_start(now)
        is_coming = is_known and self.ends_at > now
        return self.ends_at if is_coming or self.is_exhausted(dollars, now) else None


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
    """Return the mark; None if there is none."""
    try:
        return _mark(Entry.get(SETTINGS.name, _KEY, consistent_read=True))
    except Entry.DoesNotExist:
        return None


def write(mark: BudgetMark) -> None:
    """Replace the mark."""
    fields = {"ends_at": mark.ends_at, "dollars": mark.dollars}
    Entry(SETTINGS.name, _KEY).update([Entry.fields.set(fields)])


def _mark(entry: Entry) -> BudgetMark:
    fields = entry.fields.as_dict()
    return BudgetMark(float(fields["ends_at"]), float(fields["dollars"]))

"""The list of API keys."""

from chalicelib.models.keys.api_key import ApiKey
from chalicelib.models.keys.indexes import ALL
from chalicelib.models.table import Table, read_together


def newest(most: int, *, before: str | None = None) -> tuple[list[ApiKey], bool]:
    """Return up to `most` keys, newest first, and whether there are more.

    With `before` they are those whose sort key is smaller. A key that was just created may be
    missing for a moment, as the index lags behind the table.
    """
    older = None if before is None else ApiKey.sort_key < before
    found = ApiKey.by_age.query(
        ALL, older, scan_index_forward=False, limit=most + 1, page_size=most + 1
    )
    ids = [str(each.id) for each in found]
    return _read(ids[:most]), len(ids) > most


def _read(ids: list[str]) -> list[ApiKey]:
    kinds: dict[str, type[Table]] = dict.fromkeys(ids, ApiKey)
    found = read_together(kinds, consistent=True) if ids else {}
    return [key for each in ids if isinstance(key := found.get(each), ApiKey)]

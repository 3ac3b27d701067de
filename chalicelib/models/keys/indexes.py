"""The index of the keys table."""

from typing import Any

from pynamodb.attributes import UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

# One partition is enough: only creating a key writes the index, and counting requests does not.
ALL = "all"


class ByAge(GlobalSecondaryIndex[Any]):
    """All keys, in the order of their creation."""

    class Meta:
        index_name = "by_age"
        projection = KeysOnlyProjection()

    shard = UnicodeAttribute(hash_key=True)
    sort_key = UnicodeAttribute(range_key=True)
    id = UnicodeAttribute()


def sort_key_of(key_id: str, created_at: float) -> str:
    """Return a text of letters and digits by which keys sort in the order of their creation."""
    return f"{int(created_at * 1000):013}{key_id}"

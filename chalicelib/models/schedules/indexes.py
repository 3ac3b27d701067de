"""Indexes of the schedules table."""

from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection


class ByOwner(GlobalSecondaryIndex[Any]):
    """The schedules of one owner, in the order of their creation."""

    class Meta:
        index_name = "by_owner"
        projection = KeysOnlyProjection()

    owner = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class ByAge(GlobalSecondaryIndex[Any]):
    """All schedules, in the order of their creation, and the state of each."""

    class Meta:
        index_name = "by_age"
        projection = IncludeProjection(["state"])

    shard = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)
    state = UnicodeAttribute()


class ByDue(GlobalSecondaryIndex[Any]):
    """The schedules that the reconciler has to look at, and when."""

    class Meta:
        index_name = "by_due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = NumberAttribute(range_key=True)
    id = UnicodeAttribute()

"""Indexes of the jobs table: listings are Queries, spread over shards so that none runs hot."""

from typing import Any
from zlib import crc32

from pynamodb.attributes import UnicodeAttribute
from pynamodb.indexes import (
    AllProjection,
    GlobalSecondaryIndex,
    IncludeProjection,
    KeysOnlyProjection,
)

SHARDS = 4
LINE = "line"


def shard_of(job_id: str) -> str:
    """Spread ids evenly; a partition takes 1,000 writes a second (DynamoDB quotas)."""
    return str(crc32(job_id.encode()) % SHARDS)


class ByAge(GlobalSecondaryIndex[Any]):
    """All jobs, in the order of their creation."""

    class Meta:
        index_name = "by_age"
        projection = AllProjection()

    shard = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class ByStatus(GlobalSecondaryIndex[Any]):
    """The jobs of one status, in the order of their creation."""

    class Meta:
        index_name = "by_status"
        projection = AllProjection()

    status_shard = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class ByPlace(GlobalSecondaryIndex[Any]):
    """The line: jobs that wait for a seat on a GPU, the next one first.

    One partition is enough: it takes 1,000 jobs a second, as many as hundreds of GPUs make.
    """

    class Meta:
        index_name = "by_place"
        projection = KeysOnlyProjection()

    line = UnicodeAttribute(hash_key=True)
    place = UnicodeAttribute(range_key=True)
    id = UnicodeAttribute()


class ByOwner(GlobalSecondaryIndex[Any]):
    """The jobs of one owner, in the order of their creation.

    With little of them, so that an image's progress is not written to another index.
    """

    class Meta:
        index_name = "by_owner"
        projection = IncludeProjection(["status"])

    owner = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)
    status = UnicodeAttribute()


class ByPost(GlobalSecondaryIndex[Any]):
    """The jobs of one post, in the order of their creation."""

    class Meta:
        index_name = "by_post"
        projection = AllProjection()

    post_id = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)

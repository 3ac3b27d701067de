"""Indexes of the jobs table: listings are Queries, spread over shards so that none runs hot."""

from typing import Any
from zlib import crc32

from pynamodb.attributes import UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

SHARDS = 4


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


class ByPost(GlobalSecondaryIndex[Any]):
    """The jobs of one post, in the order of their creation."""

    class Meta:
        index_name = "by_post"
        projection = AllProjection()

    post_id = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)

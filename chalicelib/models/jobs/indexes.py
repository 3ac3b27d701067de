"""Indexes of the jobs table, by which lists are queried; shards avoid hot partitions.

They contain keys and little else, so that progress is written to the table alone, and a list
reads no more than it shows.
"""

from typing import Any
from zlib import crc32

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection

SHARDS = 4
QUEUE = "queue"

# The state of a post's job in the indexes of posts; failed and canceled jobs are in neither.
UNDER_WAY, MADE = "open", "made"


def shard_of(job_id: str) -> str:
    """Spread ids evenly, as a partition takes 1,000 writes a second (DynamoDB quotas)."""
    return str(crc32(job_id.encode()) % SHARDS)


class ByAge(GlobalSecondaryIndex[Any]):
    """All jobs, in the order of their creation, with what a usage report needs."""

    class Meta:
        index_name = "by_age"
        projection = IncludeProjection(
            ["style_id", "post_id", "image_count", "gpu_seconds", "gpu_cost"]
        )

    shard = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)
    style_id = NumberAttribute(null=True)
    post_id = UnicodeAttribute(null=True)
    image_count = NumberAttribute(null=True)
    gpu_seconds = NumberAttribute(null=True)
    gpu_cost = NumberAttribute(null=True)


class ByStatus(GlobalSecondaryIndex[Any]):
    """The jobs of one status, in the order of their creation."""

    class Meta:
        index_name = "by_status"
        projection = KeysOnlyProjection()

    status_shard = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class ByDue(GlobalSecondaryIndex[Any]):
    """The open jobs, in the order in which they are due."""

    class Meta:
        index_name = "by_due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = NumberAttribute(range_key=True)
    id = UnicodeAttribute()


class ByQueue(GlobalSecondaryIndex[Any]):
    """The queue: jobs that wait for a slot on a GPU, the next one first.

    One partition is enough: it takes 1,000 jobs a second, as many as hundreds of GPUs can do.
    """

    class Meta:
        index_name = "by_queue"
        projection = IncludeProjection(["checkpoint"])

    queue = UnicodeAttribute(hash_key=True)
    sort_key = UnicodeAttribute(range_key=True)
    id = UnicodeAttribute()
    checkpoint = UnicodeAttribute(null=True)


class ByBatchOwner(GlobalSecondaryIndex[Any]):
    """The jobs of one owner with the priority `batch` that are in the queue, the next one first."""

    class Meta:
        index_name = "by_batch_owner"
        projection = IncludeProjection(["units"])

    batch_owner = UnicodeAttribute(hash_key=True)
    sort_key = UnicodeAttribute(range_key=True)
    id = UnicodeAttribute()
    units = NumberAttribute()


class ByOwner(GlobalSecondaryIndex[Any]):
    """The jobs of one owner, in the order of their creation."""

    class Meta:
        index_name = "by_owner"
        projection = KeysOnlyProjection()

    owner_shard = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class ByOwnerStatus(GlobalSecondaryIndex[Any]):
    """The jobs of one owner that have one status, in the order of their creation."""

    class Meta:
        index_name = "by_owner_status"
        projection = KeysOnlyProjection()

    owner_status_shard = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class ByPost(GlobalSecondaryIndex[Any]):
    """The jobs of one post, of all owners, in the order of their creation."""

    class Meta:
        index_name = "by_post"
        projection = KeysOnlyProjection()

    post_state = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class ByOwnerPost(GlobalSecondaryIndex[Any]):
    """The jobs of one owner for one post, in the order of their creation."""

    class Meta:
        index_name = "by_owner_post"
        projection = KeysOnlyProjection()

    owner_post_state = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class BySchedule(GlobalSecondaryIndex[Any]):
    """The jobs of one schedule, in the order of their creation."""

    class Meta:
        index_name = "by_schedule"
        projection = KeysOnlyProjection()

    schedule_id = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)

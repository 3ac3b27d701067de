"""The one write that accepts a request: its jobs and its Idempotency-Key, all or nothing."""

from hashlib import sha256
from typing import Any

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import TransactWriteError

from chalicelib.config import config
from chalicelib.errors import IdempotencyConflict
from chalicelib.models.job import Job
from chalicelib.models.table import Table, lost_race, transaction


class AcceptedKey(Table):
    """An Idempotency-Key and what it was used for, beside the jobs and as long as they."""

    class Meta:
        table_name = config.jobs_table

    beside = Job

    id = UnicodeAttribute(hash_key=True)
    fingerprint = UnicodeAttribute()
    job_ids = JSONAttribute()
    expires_at = NumberAttribute()


def _item_id(owner: str, key: str) -> str:
    # Hashed, as a key is the caller's own text of any length; an owner's name has no line break.
    text = f"{owner}\n{key}"
    return f"idempotency:{sha256(text.encode()).hexdigest()}"


def replay(owner: str, key: str, fingerprint: str) -> list[Job] | None:
    """Return the jobs of an owner's earlier request with this key; None if there was none.

    Raise IdempotencyConflict when that request had another body.
    """
    try:
        known = AcceptedKey.get(_item_id(owner, key), consistent_read=True)
    except AcceptedKey.DoesNotExist:
        return None
    if known.fingerprint != fingerprint:
        raise IdempotencyConflict("this Idempotency-Key was used with another path or body")
    return [Job.find(job_id) for job_id in known.job_ids]


def accept(jobs: list[Job], key: str | None, fingerprint: str) -> list[Job]:
    """Store the jobs, or return those that the same key stored a moment earlier."""
    if not key and len(jobs) == 1:
        jobs[0].save()  # a transaction would cost twice as much
        return jobs
    try:
        with transaction() as writes:
            for job in jobs:
                writes.save(job)
            if key:
                unused: Any = AcceptedKey.id.does_not_exist()
                writes.save(_record(key, fingerprint, jobs), condition=unused)
    except TransactWriteError as error:
        if not (key and lost_race(error)):
            raise
        return replay(jobs[0].owner, key, fingerprint) or accept(jobs, key, fingerprint)
    return jobs


def _record(key: str, fingerprint: str, jobs: list[Job]) -> AcceptedKey:
    return AcceptedKey(
        id=_item_id(jobs[0].owner, key),
        fingerprint=fingerprint,
        job_ids=[job.id for job in jobs],
        expires_at=jobs[0].expires_at,
    )

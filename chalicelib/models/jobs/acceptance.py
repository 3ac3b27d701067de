"""Accepting a request: its jobs and its Idempotency-Key are stored together, or none of them."""

from collections.abc import Callable

from pynamodb.exceptions import TransactWriteError
from pynamodb.transactions import TransactWrite

from chalicelib.config import config
from chalicelib.models.idempotency import IdempotencyKey
from chalicelib.models.jobs.job import Job
from chalicelib.models.json_text import JsonText
from chalicelib.models.table import REFUSED, cancellations, transaction, unavailable
from chalicelib.signals import ClaimRefused

# Adds writes, with their conditions, to the transaction that stores jobs.
Claim = Callable[[TransactWrite, list[Job]], None]


class AcceptedKey(IdempotencyKey):
    """The jobs that a request with an Idempotency-Key made; kept for as long as they are."""

    class Meta:
        table_name = config.jobs_table

    beside = Job

    job_ids = JsonText()


def replay(owner: str, key: str, fingerprint: str, *, now: float) -> list[Job] | None:
    """Return the jobs of an owner's earlier request with this key; None if there was none.

    Raise IdempotencyConflict when that request had another path or body.
    """
    known = AcceptedKey.used_for(owner, key, fingerprint, now=now)
    if known is None:
        return None
    return [Job.find(job_id) for job_id in known.job_ids]


def accept(
    jobs: list[Job], key: str | None, fingerprint: str, *, now: float, claim: Claim | None = None
) -> list[Job]:
    """Store new jobs and return them, or return those that the same key has stored before.

    The parameters of a job that is stored alone must be there: without the job they are never read.
    A `claim` writes more in the same transaction; raise ClaimRefused if its conditions do not hold.
    Raise IdempotencyConflict when the key was used with another path or body, Overloaded when
    DynamoDB throttles and nothing is stored, and Unanswered when it is not known whether it is.
    """
    if is_alone(jobs, key, claim):
        jobs[0].create()
        return jobs
    try:
        with transaction() as writes:
            for job in jobs:
                writes.save(job, condition=Job.id.does_not_exist())
                writes.save(job.parameters_item)
            if key:
                writes.save(_record(key, fingerprint, jobs), condition=AcceptedKey.is_unused(now))
            if claim:
                claim(writes, jobs)
    except TransactWriteError as error:
        if passing := unavailable(error):
            raise passing from error
        if REFUSED not in cancellations(error):
            raise
        if claim:
            return _replayed(jobs, key, fingerprint, now)
        # No other jobs have these ids: without a key they are stored, and the response was lost.
        return _stored_before(jobs, key, fingerprint, now=now) if key else jobs
    return jobs


def is_alone(jobs: list[Job], key: str | None, other: object) -> bool:
    """Return whether a job is stored without a transaction, which would cost twice as much."""
    return len(jobs) == 1 and not key and not other


def _replayed(jobs: list[Job], key: str | None, fingerprint: str, now: float) -> list[Job]:
    """Return the jobs that the same key has stored; raise ClaimRefused if there are none."""
    found = replay(jobs[0].owner, key, fingerprint, now=now) if key else None
    if found is None:
        raise ClaimRefused("what the jobs are made for has changed")
    return found


def _stored_before(jobs: list[Job], key: str, fingerprint: str, *, now: float) -> list[Job]:
    """Return the key's jobs: these, if the response was lost, or those of an earlier request."""
    owner = jobs[0].owner
    known = AcceptedKey.find(owner, key)
    if known and known.job_ids == [job.id for job in jobs]:
        return jobs
    # None if the key has just been deleted.
    found = replay(owner, key, fingerprint, now=now)
    return accept(jobs, key, fingerprint, now=now) if found is None else found


def _record(key: str, fingerprint: str, jobs: list[Job]) -> AcceptedKey:
    return AcceptedKey(
        id=AcceptedKey.id_of(jobs[0].owner, key),
        fingerprint=fingerprint,
        job_ids=[job.id for job in jobs],
        expires_at=jobs[0].expires_at,
    )

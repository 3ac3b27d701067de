"""Transactions of a job and the record of its instance: both are written, or neither is.

Few jobs share an instance's record, as it has few slots. DynamoDB refuses a transaction while
another writes the same item; `models/table.py` then sends it again.
"""

from typing import Any

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import Attempt
from chalicelib.models.jobs.job import Job, Write
from chalicelib.models.table import REFUSED, cancellations, transaction
from chalicelib.signals import LeaseLost


def begin(job: Job, attempt: Attempt, record: InstanceRecord) -> bool:
    """Give a job a slot on an instance, and store its attempt there.

    Return False if the instance has no slot for it. Raise LeaseLost if the job has changed, or has
    another driver.
    """
    checkpoint = str(job.checkpoint or "")
    free, taken = record.taking_slot(job.id, now=attempt.started_at, checkpoint=checkpoint)
    ahead = len(record.slot_holders - {job.id})
    return _write(job, job.beginning(attempt, queue_position=ahead), record, taken, free)


def succeed(
    job: Job,
    images: list[dict[str, Any]],
    record: InstanceRecord,
    *,
    now: float,
    execution_seconds: float | None,
) -> None:
    """End a job with its images, and free its slot if it has one.

    `execution_seconds` is how long the image took, if ComfyUI reports it. Raise LeaseLost if the
    job has changed, or has another driver.
    """
    freed = record.freeing_slot(job.id, now=now, execution_seconds=execution_seconds)
    # Whoever frees the slot adds the seconds, so that they count once.
    spent = InstanceRecord.execution_total_seconds.add(round(job.seconds_on(record.id), 3))
    has_slot = InstanceRecord.jobs.contains(job.id)
    if not _write(job, job.success(images, now=now), record, [*freed, spent], has_slot):
        job.succeed(images, now=now)


def _write(
    job: Job, change: Write, record: InstanceRecord, actions: list[Action], condition: Condition
) -> bool:
    """Write both; return False if the record's condition does not hold, or raise LeaseLost."""
    try:
        with transaction() as writes:
            writes.update(record, actions, condition)
            writes.update(job, change.actions, change.condition)
    except TransactWriteError as error:
        of_record, of_job, *_ = *cancellations(error), "", ""
        if of_job == REFUSED:
            raise LeaseLost(f"job {job.id} has changed or has another driver") from error
        if of_record != REFUSED:
            raise
        return False
    job.wrote(change)
    return True

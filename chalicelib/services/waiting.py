"""How long a job that waits has still to wait."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.models.instance import InstanceRecord
from chalicelib.models.job_status import QUEUED, RUNNING
from chalicelib.models.line import ranks

if TYPE_CHECKING:
    from chalicelib.models.job import Job


class Wait(Struct, frozen=True):
    """How many images come before this one, and for how long; None is not known."""

    position: int | None = None
    seconds: int | None = None


def waits(jobs: list[Job]) -> dict[str, Wait]:
    """Estimate the waits of jobs by the recent runs on all GPUs; of those that wait for one."""
    waiting = [job for job in jobs if job.status == QUEUED]
    known = {job.id: Wait(0) for job in jobs if job.status == RUNNING}
    if not waiting:
        return known
    records = InstanceRecord.all()
    positions = _positions(waiting, sum(len(record.seated) for record in records))
    pace = _pace(records)
    return known | {
        job_id: Wait(position, ceil(position * pace) if pace else None)
        for job_id, position in positions.items()
    }


def _positions(jobs: list[Job], seated: int) -> dict[str, int]:
    lined = [job for job in jobs if job.line and job.place]
    found = ranks([str(job.place) for job in lined]) if lined else []
    in_line = {job.id: seated + rank for job, rank in zip(lined, found, strict=True)}
    on_gpu = {job.id: int(job.queue_position) for job in jobs if job.queue_position is not None}
    return on_gpu | in_line


def _pace(records: list[InstanceRecord]) -> float | None:
    """Seconds from one image to the next, of all GPUs that work; None if none does."""
    at_work = [record for record in records if record.jobs]
    runs = [float(record.run_seconds) for record in at_work if record.run_seconds is not None]
    return sum(runs) / len(runs) / len(at_work) if runs else None

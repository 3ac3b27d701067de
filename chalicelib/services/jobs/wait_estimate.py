"""Estimate how long a job still has to wait."""

from functools import cached_property
from math import ceil

from msgspec import Struct

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.queue import Ranks
from chalicelib.models.jobs.status import QUEUED, RUNNING


class Wait(Struct, frozen=True):
    """How many images come before this one, and the seconds they take; None if unknown."""

    position: int | None = None
    seconds: int | None = None


class Waits:
    """Estimates waits from the recent executions on all GPUs, which are read once."""

    def __init__(self) -> None:
        self._ranks = Ranks()

    def of(self, jobs: list[Job]) -> dict[str, Wait]:
        """Return the waits of the queued and running jobs by job id."""
        waiting = [job for job in jobs if job.status == QUEUED]
        known = {job.id: Wait(0) for job in jobs if job.status == RUNNING}
        if not waiting:
            return known
        positions = self._positions(waiting)
        pace = _pace(self._records)
        return known | {
            job_id: Wait(position, ceil(position * pace) if pace else None)
            for job_id, position in positions.items()
        }

    @cached_property
    def _records(self) -> list[InstanceRecord]:
        return InstanceRecord.all()

    def _positions(self, jobs: list[Job]) -> dict[str, int]:
        served = sum(len(record.slot_holders) for record in self._records)
        queued = [job for job in jobs if job.queue and job.sort_key]
        found = self._ranks.of([str(job.sort_key) for job in queued])
        in_queue = {job.id: served + rank for job, rank in zip(queued, found, strict=True)}
        on_gpu = {job.id: int(job.queue_position) for job in jobs if job.queue_position is not None}
        return on_gpu | in_queue


class NoWaits(Waits):
    """Estimates for running jobs only, and reads nothing."""

    def of(self, jobs: list[Job]) -> dict[str, Wait]:
        return super().of([job for job in jobs if job.status == RUNNING])


def _pace(records: list[InstanceRecord]) -> float | None:
    """Return the seconds from one image to the next over all busy GPUs; None if unknown."""
    records_at_work = [record for record in records if record.jobs]
    seconds = [
        float(record.execution_seconds)
        for record in records_at_work
        if record.execution_seconds is not None
    ]
    return sum(seconds) / len(seconds) / len(records_at_work) if seconds else None

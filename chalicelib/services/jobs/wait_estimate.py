"""Estimate how long a job still has to wait."""

from collections.abc import Callable
from functools import cached_property
from math import ceil

from msgspec import Struct

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.queue import Ranks
from chalicelib.models.jobs.status import QUEUED, RUNNING, STARTING
from chalicelib.models.jobs.waits import BUDGET_EXHAUSTED


class Wait(Struct, frozen=True):
    """How many images come before this one, and the seconds until it begins; None if unknown."""

    position: int | None = None
    seconds: int | None = None


class Waits:
    """Estimates waits from the recent executions and boots of all GPUs, which are read once.

    `boots` says whether the GPUs are instances, which have to boot if they are off.
    """

    def __init__(self, clock: Callable[[], float], *, boots: bool) -> None:
        self._clock = clock
        self._boots = boots
        self._ranks = Ranks()

    def of(self, jobs: list[Job]) -> dict[str, Wait]:
        """Return the waits of the waiting and running jobs by job id."""
        waiting = [job for job in jobs if job.status in (QUEUED, STARTING)]
        known = _running(jobs)
        if not waiting:
            return known
        positions = self._positions(waiting)
        unpaid = {job.id for job in waiting if job.waits_for == BUDGET_EXHAUSTED}
        return known | {
            job_id: Wait(position, None if job_id in unpaid else self._seconds(position))
            for job_id, position in positions.items()
        }

    @cached_property
    def _records(self) -> list[InstanceRecord]:
        return InstanceRecord.all()

    @cached_property
    def _boot(self) -> float | None:
        return _boot_seconds(self._records, self._clock()) if self._boots else 0

    @cached_property
    def _pace(self) -> float | None:
        return _pace(self._records)

    def _seconds(self, position: int) -> int | None:
        if self._pace is None or self._boot is None:
            return None
        return ceil(self._boot + position * self._pace)

    def _positions(self, jobs: list[Job]) -> dict[str, int]:
        served = sum(len(record.slot_holders) for record in self._records)
        queued = [job for job in jobs if job.queue and job.sort_key]
        found = self._ranks.of([str(job.sort_key) for job in queued])
        in_queue = {job.id: served + rank for job, rank in zip(queued, found, strict=True)}
        on_gpu = {job.id: int(job.queue_position) for job in jobs if job.queue_position is not None}
        return on_gpu | in_queue


class NoWaits:
    """Estimates for running jobs only, and reads nothing."""

    def of(self, jobs: list[Job]) -> dict[str, Wait]:
        return _running(jobs)


def _running(jobs: list[Job]) -> dict[str, Wait]:
    return {job.id: Wait(0) for job in jobs if job.status == RUNNING}


def _pace(records: list[InstanceRecord]) -> float | None:
    """Return the seconds from one image to the next over all busy GPUs; None if unknown.

    If none is busy, one GPU will be.
    """
    at_work = [record for record in records if record.jobs]
    seconds = [
        float(record.execution_seconds)
        for record in at_work or records
        if record.execution_seconds is not None
    ]
    return sum(seconds) / len(seconds) / max(len(at_work), 1) if seconds else None


def _boot_seconds(records: list[InstanceRecord], now: float) -> float | None:
    """Return the seconds until an instance is ready, 0 if one is; None if unknown."""
    usable = [each for each in records if not _is_leaving(each, now)]
    if any(each.ready_at is not None or each.jobs for each in usable):
        return 0
    whole = _average_boot(records)
    rests = [
        max(seconds - (now - float(each.on_since)), 0)
        for each in usable
        if each.on_since is not None and (seconds := each.boot_seconds or whole) is not None
    ]
    if rests:
        return min(rests)
    may_start = any((each.unhealthy_until or 0) <= now for each in records)
    return whole if may_start else None


def _is_leaving(record: InstanceRecord, now: float) -> bool:
    """Return whether an instance is about to stop, or does not work."""
    is_draining = (record.draining_until or 0) > now or record.is_past_budget(now)
    return is_draining or (record.unhealthy_reason is not None and record.on_since is not None)


def _average_boot(records: list[InstanceRecord]) -> float | None:
    known = [float(each.boot_seconds) for each in records if each.boot_seconds is not None]
    return sum(known) / len(known) if known else None

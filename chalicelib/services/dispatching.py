"""Which job goes to which GPU, and when: seats on the GPUs, and the line of those without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.config import config
from chalicelib.errors import LeaseLost, NotFound, NotItsTurn
from chalicelib.models import line
from chalicelib.models.instance import InstanceRecord
from chalicelib.models.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.services.fleet import Fleet, Server
    from chalicelib.services.waking import Waker

# A job that is due this soon is looked at anyway.
_SOON_SECONDS = 5


class Dispatch:
    """Gives `GPU_SEATS` seats of each GPU to the jobs that are first in the line.

    A seat is a place in ComfyUI's own queue. There are few of them, so that nobody's burst fills
    that queue, and more than one, so that the GPU has its next image when it ends one.
    """

    def __init__(self, fleet: Fleet, waker: Waker, clock: Callable[[], float]) -> None:
        self._fleet = fleet
        self._waker = waker
        self._clock = clock

    def seat(self, job: Job) -> Server:
        """Return the GPU on which the job has a seat now, the one it had before if that serves.

        Raise NotItsTurn when others come first, and what `Fleet.ready` raises.
        """
        at_work = self._fleet.server(job.attempt.instance_id) if job.attempt else None
        if at_work and at_work.record.seat(job.id):
            return at_work
        servers = self._fleet.servers()
        if not job.attempt:
            self._await_turn(job, servers)
        for server in servers or self._fleet.ready():
            if server.record.seat(job.id):
                self._move(job, server)
                return server
        raise NotItsTurn("waiting for its turn")

    def leave(self, job: Job, record: InstanceRecord, *, run_seconds: float | None = None) -> None:
        """Free the seat of a job on an instance and call who is next."""
        record.unseat(job.id, run_seconds=run_seconds)
        self._call(line.ahead(None, config.gpu_seats - len(record.seated)))

    def repair(self) -> None:
        """Free the seats of jobs that are gone, and call who should have been called."""
        records = InstanceRecord.all()
        for record in records:
            self._reclaim(record)
        taken = sum(len(record.seated) for record in records)
        self._call(line.ahead(None, max(config.gpu_seats * len(records) - taken, 1)))

    def _await_turn(self, job: Job, servers: list[Server]) -> None:
        free = sum(server.free_seats for server in servers) if servers else config.gpu_seats
        if not free:
            free = sum(self._reclaim(server.record) for server in servers)
        first = line.ahead(job.place if job.line else None, free)
        if len(first) >= free:
            self._call(first)
            raise NotItsTurn("waiting for its turn")

    def _move(self, job: Job, server: Server) -> None:
        if job.attempt and job.attempt.instance_id != server.instance.id:
            InstanceRecord(job.attempt.instance_id).unseat(job.id)

    def _call(self, jobs: list[Job]) -> None:
        now = self._clock()
        for job in jobs:
            if job.lease or job.due_at <= now + _SOON_SECONDS:
                continue
            try:
                job.call(now=now)
            except LeaseLost:
                continue
            self._waker.wake(job.id, at=now)

    def _reclaim(self, record: InstanceRecord) -> int:
        """Free seats that nobody uses, which drivers left who died; return how many."""
        unused = [job_id for job_id in record.seated if not self._uses(job_id, record.id)]
        for job_id in unused:
            record.unseat(job_id)
        return len(unused)

    def _uses(self, job_id: str, instance_id: str) -> bool:
        try:
            job = Job.find(job_id)
        except NotFound:
            return False
        if not job.is_open:
            return False
        # Whoever holds the lease may be about to write his attempt down.
        is_driven = bool(job.lease) and job.due_at > self._clock()
        return is_driven or bool(job.attempt and job.attempt.instance_id == instance_id)

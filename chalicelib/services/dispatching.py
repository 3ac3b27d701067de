"""Which job goes to which GPU, and when: seats on the GPUs, and the line of those without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.config import config
from chalicelib.errors import ComfyUIUnreachable, LeaseLost, NotFound, NotItsTurn
from chalicelib.models import line
from chalicelib.models.instance import InstanceRecord
from chalicelib.models.job import Job
from chalicelib.models.job_status import STARTING

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.services.budget import Budget
    from chalicelib.services.fleet import Fleet
    from chalicelib.services.server import Server
    from chalicelib.services.waking import Waker

# A job that is due this soon, or was so a moment ago, is looked at anyway.
_SOON_SECONDS = 5

_OLD_SECONDS = 600  # how many instances there are changes seldom
_PATIENCE_SECONDS = 60  # with a ComfyUI that has a job and does not answer


class Dispatch:
    """Gives `GPU_SEATS` seats of each GPU to the jobs that are first in the line.

    A seat is a place in ComfyUI's own queue. There are few of them, so that nobody's burst fills
    that queue, and more than one, so that the GPU has its next image when it ends one.
    """

    def __init__(
        self, fleet: Fleet, waker: Waker, budget: Budget, clock: Callable[[], float]
    ) -> None:
        self._fleet = fleet
        self._waker = waker
        self._budget = budget
        self._clock = clock

    def seat(self, job: Job) -> Server:
        """Return the GPU on which the job has a seat now, the one it had before if that serves.

        Raise NotItsTurn when others come first, ComfyUIUnreachable when its GPU may be back
        soon, and what `Fleet.ready` raises.
        """
        if (at_work := self.at_work(job)) and self._sit(job, at_work):
            return at_work
        servers = self._fleet.servers()
        if not job.attempts:
            self._await_turn(job, servers)
        for server in _preferred(job, servers or self._fleet.ready()):
            if self._sit(job, server):
                return server
        self._stand_up(job)
        raise NotItsTurn("waiting for its turn")

    def at_work(self, job: Job) -> Server | None:
        """Return the GPU that has the job's attempt, if it serves.

        While ComfyUI loads a checkpoint it may not answer for seconds; the run would be paid
        twice if another GPU took the job at once. Raise ComfyUIUnreachable meanwhile.
        """
        if not job.attempt:
            return None
        try:
            return self._fleet.server(job.attempt.instance_id)
        except ComfyUIUnreachable:
            now = self._clock()
            if now - (job.silent_since or now) < _PATIENCE_SECONDS:
                raise
            return None

    def leave(self, job: Job, record: InstanceRecord, *, run_seconds: float | None = None) -> None:
        """Free the seat of a job on an instance and call who is next."""
        spent = sum(
            float(each.run_seconds or 0) for each in job.attempts if each.instance_id == record.id
        )
        now = self._clock()
        record.unseat(job.id, now=now, run_seconds=run_seconds, spent_seconds=spent)
        if (
            len(self._fleet.members(max_age_seconds=_OLD_SECONDS)) > 1
        ):  # another may have become ready since
            return self.look_again()
        return self._call(line.ahead(None, config.gpu_seats - len(record.seated)))

    def watch(self, job: Job) -> None:
        """Have a worker come when the job's lease has ended, should its owner die.

        A job that was accepted under a lease, and never stood in the line, has such a message.
        """
        if job.place:
            self._waker.wake(job.id, at=job.due_at + 1)

    def repair(self) -> None:
        """Free the seats of jobs that are gone, and call who should have been called."""
        records = InstanceRecord.all()
        for record in records:
            self._reclaim(record)
        if self._budget.is_noted(self._clock()):
            return  # nobody would have a seat today
        taken = sum(len(record.seated) for record in records)
        self._call(line.ahead(None, max(config.gpu_seats * len(records) - taken, 1)))

    def look_again(self) -> None:
        """Call who is next if a seat is free, as it came free while a job lined up."""
        free = sum(server.free_seats for server in self._fleet.servers())
        self._call(line.ahead(None, free))

    def grow(self) -> None:
        """Have more GPUs if the line deserves them."""
        self._fleet.grow()

    def _await_turn(self, job: Job, servers: list[Server]) -> None:
        free = sum(server.free_seats for server in servers) if servers else config.gpu_seats
        if not free:
            free = sum(self._reclaim(server.record) for server in servers)
        # Who has sat down just now still stands in the line, until he has begun.
        seated = {job_id for server in servers for job_id in server.record.seated}
        ahead = line.ahead(job.place if job.line else None, free + len(seated) if free else 0)
        first = [each for each in ahead if each.id not in seated][:free]
        if len(first) >= free:
            # While a GPU starts, the first look at it by themselves.
            self._call([each for each in first if servers or each.status != STARTING])
            raise NotItsTurn("waiting for its turn")

    def _sit(self, job: Job, server: Server) -> bool:
        checkpoint = str(job.parameters["checkpoint"])
        if not server.record.seat(job.id, now=self._clock(), checkpoint=checkpoint):
            return False
        if job.attempt and job.attempt.instance_id != server.instance.id:
            self._stand_up(job)
        return True

    def _stand_up(self, job: Job) -> None:
        """Free the seat on the GPU that the job had before."""
        if job.attempt:
            InstanceRecord(job.attempt.instance_id).unseat(job.id)

    def _call(self, jobs: list[Job]) -> None:
        now = self._clock()
        for job in jobs:
            is_driven = job.lease and job.due_at > now
            if is_driven or abs(job.due_at - now) <= _SOON_SECONDS:
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
        is_there = bool(job.attempt and job.attempt.instance_id == instance_id)
        if is_there and job.due_at < self._clock() - _SOON_SECONDS:
            self._revive(job)
        # Whoever holds the lease may be about to write his attempt down.
        return is_there or (bool(job.lease) and job.due_at > self._clock())

    def _revive(self, job: Job) -> None:
        """Have a worker go on with a job whose driver died: others wait for its seat."""
        try:
            job.rearm(now=self._clock())
        except LeaseLost:
            return
        self._waker.wake(job.id, at=self._clock())


def _preferred(job: Job, servers: list[Server]) -> list[Server]:
    """Order GPUs by what they have to do; to load another checkpoint takes as long as an image."""
    checkpoint = job.parameters["checkpoint"]
    return sorted(
        servers,
        key=lambda server: server.queue_length + (server.record.checkpoint != checkpoint),
    )

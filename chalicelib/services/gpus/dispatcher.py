"""The dispatcher: which job gets a slot on which GPU, and when."""

from collections.abc import Callable
from uuid import uuid4

from chalicelib.errors import ComfyUIUnreachable, GpuNotReady
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.queue import Waiting
from chalicelib.services.gpus.checkpoints import CheckpointOrder
from chalicelib.services.gpus.inventory import Inventory, Server
from chalicelib.services.gpus.look import Look
from chalicelib.services.gpus.starter import check_hold
from chalicelib.services.gpus.state import is_lost
from chalicelib.services.jobs.lease import LEASE_SECONDS
from chalicelib.services.together import Together
from chalicelib.signals import NoFreeSlot

_WINDOW = 20  # jobs at the head of the queue, of which a GPU may prefer one


class Dispatcher:
    """Gives `SLOTS_PER_GPU` slots of each GPU to the jobs that are first in the queue.

    There are few slots, so that no owner's burst fills ComfyUI's own queue, and more than one, so
    that the GPU has its next image when it finishes one.
    """

    def __init__(
        self, inventory: Inventory, together: Together, clock: Callable[[], float]
    ) -> None:
        self._inventory = inventory
        self._together = together
        self._clock = clock

    def look(self) -> Look:
        """Return what `offers` needs to know, to be read while the job is accepted."""
        return Look(self._inventory, self._together)

    def acquire(self, job: Job) -> Server:
        """Give a job a slot on the server that has its attempt, and return that server.

        Raise NoFreeSlot if it has none or no longer serves, and ComfyUIUnreachable while it may
        answer again soon.
        """
        if (current := self.server_at_work(job)) and self._give_slot(job, current):
            return current
        if job.attempt:
            InstanceRecord(job.attempt.instance_id).release_slot(job.id)
        raise NoFreeSlot("waiting for a free slot")

    def offers(self, job: Job, look: Look | None = None) -> list[Server]:
        """Return the servers on which a job that is not in the queue may get a slot, best first.

        There are none unless more slots are free than jobs wait. Raise GpuNotReady if no GPU
        serves, GpuHeld if an administrator has stopped all.
        """
        seen = (look or self.look()).result()
        if not seen.servers:
            now = self._clock()
            check_hold(StartSeries.read(now=now), now=now)
            raise GpuNotReady("waiting for a GPU", retry_seconds=0)
        return _preferred(job, seen.servers) if seen.has_free_slot else []

    def take(self, server: Server, order: CheckpointOrder, *, storing: int = 0) -> Job | None:
        """Give the first job of the queue that suits a server a slot; return it under a lease.

        Return None if no job waits, the server has no slot for it, or it would wait there for the
        job before while another GPU has none. `storing` is the number of
        jobs whose images are being stored: they have a slot, and ComfyUI is done with them.
        """
        waiting = queue.first(_WINDOW)
        if self._leaves_to_others(waiting, server, storing):
            return None
        for each in order.of(waiting, server.record, now=self._clock()):
            if (job := self._claim(each)) is None:
                continue
            if self._belongs_elsewhere(job, server):
                self._put_back(job)
                continue
            if self._give_slot(job, server, storing):
                queue.count(-1)
                return job
            self._put_back(job)
            return None
        return None

    def server_at_work(self, job: Job) -> Server | None:
        """Return the server that has the job's attempt; None if it no longer serves.

        Raise ComfyUIUnreachable in the first minute without an answer: ComfyUI may not answer
        while it loads a checkpoint, and another GPU would execute the job a second time.
        """
        if not job.attempt:
            return None
        try:
            return self._inventory.observe_server(job.attempt.instance_id)
        except ComfyUIUnreachable:
            if is_lost(InstanceRecord.read(job.attempt.instance_id), self._clock()):
                return None
            raise

    def release(self, job: Job, instance_id: str) -> None:
        """Free the slot of a job on an instance; harmless if it has none."""
        record = InstanceRecord.read(instance_id)
        record.release_slot(
            job.id,
            now=self._clock(),
            spent_seconds=job.seconds_on(instance_id),
        )

    def _leaves_to_others(self, waiting: list[Waiting], server: Server, storing: int) -> bool:
        """Return whether a GPU that has a job leaves the next one to a GPU that has none.

        If many jobs wait, all GPUs get some, and nothing is read.
        """
        at_work = server.record.slot_holders - {each.id for each in waiting}
        if len(at_work) <= storing or not 0 < len(waiting) < _WINDOW:
            return False
        now, records = self._clock(), InstanceRecord.all()
        others = [each for each in records if each.id != server.instance.id]
        return any(each.serves(now) and not each.slot_holders for each in others)

    def _claim(self, waiting: Waiting) -> Job | None:
        job, now = Job(waiting.id), self._clock()
        taken = job.claim_from_queue(uuid4().hex, now=now, until=now + LEASE_SECONDS)
        return job if taken else None

    def _belongs_elsewhere(self, job: Job, server: Server) -> bool:
        """Return whether another instance may still have the job's attempt."""
        if not job.attempt or job.end_reason or job.attempt.instance_id == server.instance.id:
            return False
        try:
            return self.server_at_work(job) is not None
        except ComfyUIUnreachable:
            return True

    def _put_back(self, job: Job) -> None:
        job.put_back(job.status, job.status_reason, due_at=job.deadline_at, waits_for=job.waits_for)

    def _give_slot(self, job: Job, server: Server, storing: int = 0) -> bool:
        checkpoint = str(job.checkpoint or "")
        return server.record.acquire_slot(
            job.id, now=self._clock(), checkpoint=checkpoint, storing=storing
        )


def _preferred(job: Job, servers: list[Server]) -> list[Server]:
    """Order servers by their slots in use; loading another checkpoint counts as one image."""
    checkpoint = job.checkpoint
    return sorted(
        servers,
        key=lambda server: (
            len(server.record.slot_holders) + (server.record.checkpoint != checkpoint)
        ),
    )

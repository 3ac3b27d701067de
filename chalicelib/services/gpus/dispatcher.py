"""The dispatcher: which job gets a slot on which GPU, and when."""

from collections.abc import Callable

from chalicelib.config import config
from chalicelib.errors import ComfyUIUnreachable, NotFound
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.status import STARTING
from chalicelib.services.billing.budget import Budget
from chalicelib.services.gpus.fleet import Fleet
from chalicelib.services.gpus.inventory import Server
from chalicelib.services.jobs.messages import JobMessages
from chalicelib.signals import NoFreeSlot

# A job that is due this close to now is driven anyway.
_SOON_SECONDS = 5

_OLD_SECONDS = 600  # the number of instances rarely changes
_PATIENCE_SECONDS = 60  # for a ComfyUI that has a job and does not answer


class Dispatcher:
    """Gives `SLOTS_PER_GPU` slots of each GPU to the jobs that are first in the queue.

    There are few slots, so that no owner's burst fills ComfyUI's own queue, and more than one, so
    that the GPU has its next image when it finishes one.
    """

    def __init__(
        self, fleet: Fleet, job_messages: JobMessages, budget: Budget, clock: Callable[[], float]
    ) -> None:
        self._fleet = fleet
        self._job_messages = job_messages
        self._budget = budget
        self._clock = clock

    def acquire(self, job: Job) -> Server:
        """Give the job a slot and return its server, the one it had before if that still serves.

        Raise NoFreeSlot if other jobs come first, ComfyUIUnreachable while its server may answer
        again soon, and what `Fleet.bring_up` raises.
        """
        if (current := self.server_at_work(job)) and self._acquire_slot(job, current):
            return current
        servers = self._fleet.inventory.observe_serving()
        if not job.attempts:
            self._check_order(job, servers)
        for server in _preferred(job, servers or self._fleet.bring_up()):
            if self._acquire_slot(job, server):
                return server
        self._release_slot(job)
        raise NoFreeSlot("waiting for a free slot")

    def server_at_work(self, job: Job) -> Server | None:
        """Return the server that has the job's attempt; None if it no longer serves.

        Raise ComfyUIUnreachable in the first minute without an answer: ComfyUI may not answer
        while it loads a checkpoint, and another GPU would execute the job a second time.
        """
        if not job.attempt:
            return None
        try:
            return self._fleet.inventory.observe_server(job.attempt.instance_id)
        except ComfyUIUnreachable:
            now = self._clock()
            if now - (job.unreachable_since or now) < _PATIENCE_SECONDS:
                raise
            return None

    def release(
        self, job: Job, record: InstanceRecord, *, execution_seconds: float | None = None
    ) -> None:
        """Free the slot of a job on an instance, and make the next jobs due."""
        spent = sum(
            float(each.execution_seconds or 0)
            for each in job.attempts
            if each.instance_id == record.id
        )
        now = self._clock()
        record.release_slot(
            job.id, now=now, execution_seconds=execution_seconds, spent_seconds=spent
        )
        if len(self._fleet.inventory.members(max_age_seconds=_OLD_SECONDS)) > 1:
            return self.fill_slots()  # another instance may have become ready since
        return self._make_due(queue.first(None, config.slots_per_gpu - len(record.slot_holders)))

    def send_after_lease(self, job: Job) -> None:
        """Send the job's message for when its lease has ended, in case its driver dies.

        A job that was accepted under a lease, and was never in the queue, already has one.
        """
        if job.sort_key:
            self._job_messages.send_when_due(job)

    def repair(self) -> None:
        """Free the slots that no job uses, and make the next jobs due."""
        records = InstanceRecord.all()
        for record in records:
            self._release_unused(record)
        if self._budget.is_noted(self._clock()):
            return  # no job gets a slot today
        taken = sum(len(record.slot_holders) for record in records)
        self._make_due(queue.first(None, max(config.slots_per_gpu * len(records) - taken, 1)))

    def fill_slots(self) -> None:
        """Make the next jobs due if slots are free; one may be freed while a job is queued."""
        free = sum(server.free_slots for server in self._fleet.inventory.observe_serving())
        self._make_due(queue.first(None, free))

    def scale_up(self) -> None:
        """Start more GPUs if the queue is long enough for them."""
        self._fleet.scale_up()

    def _check_order(self, job: Job, servers: list[Server]) -> None:
        free = sum(server.free_slots for server in servers) if servers else config.slots_per_gpu
        if not free:
            free = sum(self._release_unused(server.record) for server in servers)
        # A job that just took a slot stays in the queue until its attempt is written.
        holders = {job_id for server in servers for job_id in server.record.slot_holders}
        ahead = queue.first(job.sort_key if job.queue else None, free + len(holders) if free else 0)
        first = [each for each in ahead if each.id not in holders][:free]
        if len(first) >= free:
            # While an instance starts, the first jobs are due at short intervals anyway.
            self._make_due([each for each in first if servers or each.status != STARTING])
            raise NoFreeSlot("waiting for a free slot")

    def _acquire_slot(self, job: Job, server: Server) -> bool:
        checkpoint = str(job.parameters["checkpoint"])
        if not server.record.acquire_slot(job.id, now=self._clock(), checkpoint=checkpoint):
            return False
        if job.attempt and job.attempt.instance_id != server.instance.id:
            self._release_slot(job)
        return True

    def _release_slot(self, job: Job) -> None:
        """Free the slot on the instance of the job's last attempt."""
        if job.attempt:
            InstanceRecord(job.attempt.instance_id).release_slot(job.id)

    def _make_due(self, jobs: list[Job]) -> None:
        now = self._clock()
        for job in jobs:
            is_driven = job.lease and job.due_at > now
            if not is_driven and abs(job.due_at - now) > _SOON_SECONDS:
                self._job_messages.make_due(job)

    def _release_unused(self, record: InstanceRecord) -> int:
        """Free the slots of jobs that ended or whose driver died; return how many."""
        unused = [job_id for job_id in record.slot_holders if not self._uses(job_id, record.id)]
        for job_id in unused:
            record.release_slot(job_id)
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
            self._job_messages.make_due(job)
        # The driver that holds the lease may be about to write the attempt.
        return is_there or (bool(job.lease) and job.due_at > self._clock())


def _preferred(job: Job, servers: list[Server]) -> list[Server]:
    """Order servers by queue length; loading another checkpoint counts as one image."""
    checkpoint = job.parameters["checkpoint"]
    return sorted(
        servers,
        key=lambda server: server.queue_length + (server.record.checkpoint != checkpoint),
    )

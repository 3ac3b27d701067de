"""The follower of an instance: it fills its slots from the queue and follows the jobs in them."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import NamedTuple
from uuid import uuid4

from chalicelib.config import config
from chalicelib.errors import JobFinished
from chalicelib.models.fleet import followers
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import found
from chalicelib.services.gpus.checkpoints import CheckpointOrder
from chalicelib.services.gpus.demand import Demand, boots
from chalicelib.services.gpus.dispatcher import Dispatcher
from chalicelib.services.gpus.inventory import Inventory, Server
from chalicelib.services.gpus.messages import Message, Messages
from chalicelib.services.gpus.off import note_off
from chalicelib.services.gpus.queue_snapshots import QueueSnapshots
from chalicelib.services.gpus.state import went_off
from chalicelib.services.jobs.cleanup import Cleanup
from chalicelib.services.jobs.driver import Driver
from chalicelib.services.together import Together
from chalicelib.signals import JobBusy, LeaseLost

log = logging.getLogger("darkroom.follower")

_LEASE_SECONDS = 28
_RENEW_SECONDS = 15  # a lease is renewed, and a look sent, this often
_LOOK_SECONDS = 30  # after which a look arrives: the lease has ended then, unless it was renewed
_TICK_SECONDS = 1.0
_TURN_SECONDS = 0.1  # until another thread has picked its job
_LEAVE_SECONDS = 1.0  # between the mark that a follower leaves and its last look
_INDEX_SECONDS = 5  # after which a job that was just queued is almost surely in the index
_MANY = 10_000  # jobs, more than there are slots
_HELP_SECONDS = 2.0  # between two looks whether other instances should help


class Parts(NamedTuple):
    """What a follower works with."""

    inventory: Inventory
    dispatcher: Dispatcher
    driver: Driver
    cleanup: Cleanup
    demand: Demand
    queue_snapshots: QueueSnapshots
    messages: Messages
    together: Together
    clock: Callable[[], float]
    pause: Callable[[float], None]


def follow(parts: Parts, message: Message, *, until: float) -> None:
    """Follow the instance of a message until a time, unless it has a follower.

    At the end leave, if there is nothing to do, or hand over to the next follower.
    """
    now, record = parts.clock(), InstanceRecord.read(str(message.instance_id))
    lease = uuid4().hex
    if record.is_followed(now):
        return
    if parts.inventory.member(record.id) is None:
        for job_id in record.slot_holders:  # of a terminated instance: its jobs move
            record.release_slot(job_id)
        return
    if followers.claim(record, lease, now=now, until=now + _LEASE_SECONDS):
        with suppress(LeaseLost):  # another follower has come
            Follower(parts, record, lease, until=until, is_check=message.is_check).run()


class Follower:
    """A worker that follows one instance under a lease on its record.

    One thread watches the instance; others drive jobs, one more than the instance has slots: the
    next job is submitted before the last image is stored.
    """

    def __init__(
        self, parts: Parts, record: InstanceRecord, lease: str, *, until: float, is_check: bool
    ) -> None:
        self._parts, self._clock = parts, parts.clock
        self._record, self._lease = record, lease
        self._until = until
        self._has_worked = not is_check
        self._order = CheckpointOrder(self._loaded_elsewhere)
        self._picking = Lock()
        self._server: Server | None = None
        self._driven: set[str] = set()
        self._storing: set[str] = set()
        self._undriven: list[str] = []  # jobs that have a slot here and no driver
        self._is_over = self._is_left = self._is_busy = False
        self._renewed_at = self._helped_at = float("-inf")

    def run(self) -> None:
        """Follow until the time is over, the lease is lost, or there is nothing to do."""
        if self._has_worked:
            self._keep_lease()
        self._observe()
        if not self._has_worked and self._is_idle():
            followers.release(self._record, self._lease)  # a check that found nothing ends here
            return
        self._parts.together([self._watch, *[self._serve] * (config.slots_per_gpu + 1)])
        if not followers.release(self._record, self._lease):
            return
        if not self._is_left:
            self._parts.messages.follow(self._record.id)
        elif self._has_worked:
            self._parts.messages.check(self._record.id, at=self._clock() + _INDEX_SECONDS)

    @property
    def _goes_on(self) -> bool:
        return not self._is_over and self._clock() < self._until

    def _watch(self) -> None:
        """Keep the lease, observe the instance, and decide when the follower leaves."""
        while self._goes_on:
            try:
                self._tick()
            except LeaseLost:
                self._is_over = True
            except Exception:  # the next tick may succeed
                log.exception("an instance could not be observed")
            if not self._is_over:
                self._parts.pause(_TICK_SECONDS)
        self._is_over = True

    def _tick(self) -> None:
        if self._is_busy:  # before EC2 and ComfyUI are asked, which may not answer
            self._keep_lease()
        self._observe()
        self._adopt()
        self._is_busy = not self._is_idle()
        if self._is_busy:
            self._keep_lease()
            self._look_at_queue()
        else:
            if not self._takes_jobs():
                self._call_others()
            self._is_left = self._is_over = self._may_leave()

    def _keep_lease(self) -> None:
        now = self._clock()
        if now - self._renewed_at >= _RENEW_SECONDS:
            followers.renew(self._record, self._lease, until=now + _LEASE_SECONDS)
            self._parts.messages.check(self._record.id, at=now + _LOOK_SECONDS)
            self._renewed_at = now

    def _observe(self) -> None:
        member = self._parts.inventory.member(self._record.id)
        runs = member is not None and member.state == "running"
        self._server = self._parts.inventory.ask(member) if member and runs else None
        self._record = self._server.record if self._server else InstanceRecord.read(self._record.id)
        if self._record.follower != self._lease:
            raise LeaseLost(f"instance {self._record.id} has another follower")
        if member and went_off(member, self._record, now=self._clock()):
            note_off(member, self._record, now=self._clock())
            self._parts.messages.start()  # jobs may wait: another type or instance is tried at once

    def _adopt(self) -> None:
        """Find the jobs with a slot here whose driver has left; free slots that no job uses."""
        others = self._record.slot_holders - self._driven
        jobs = {job.id: job for job in found(others)}
        undriven = []
        for job_id in others:
            job = jobs.get(job_id)
            if job and not job.is_open and self._is_here(job):
                self._parts.cleanup.ended(job)  # the process that ended it may have died
            elif job is None or not self._uses_slot(job):
                self._record.release_slot(job_id)
            elif job.due_at <= self._clock():
                undriven.append(job_id)
        self._undriven = undriven

    def _uses_slot(self, job: Job) -> bool:
        # The driver that has the lease may be about to write the attempt.
        is_driven = bool(job.lease) and job.due_at > self._clock()
        return job.is_open and ((self._is_here(job) and not job.queue) or is_driven)

    def _is_here(self, job: Job) -> bool:
        """Return whether the job's last attempt is on this instance."""
        return bool(job.attempt) and job.attempts[-1].instance_id == self._record.id

    def _is_idle(self) -> bool:
        """Return whether nothing is left to do."""
        if self._driven or self._record.slot_holders or boots(self._record):
            return False
        return not self._takes_jobs() or queue.is_empty()

    def _takes_jobs(self) -> bool:
        return self._server is not None and self._record.serves(self._clock())

    def _may_leave(self) -> bool:
        """Leave unless a job comes meanwhile; who queues one now calls another follower."""
        followers.mark_leaving(self._record, self._lease)
        self._parts.pause(_LEAVE_SECONDS)
        self._observe()
        if self._is_idle():
            return True
        followers.renew(self._record, self._lease, until=self._clock() + _LEASE_SECONDS)
        return False

    def _call_others(self) -> None:
        """Have all other instances followed if jobs wait: this one was called, and takes none."""
        if not queue.is_empty():
            self._parts.demand.tell(_MANY)

    def _look_at_queue(self) -> None:
        """Keep what callers read about the queue up to date; have others help if it is long."""
        waiting = self._parts.queue_snapshots.refresh()
        if waiting and self._clock() - self._helped_at >= _HELP_SECONDS:
            self._helped_at = self._clock()
            self._parts.demand.grow(waiting)

    def _serve(self) -> None:
        """Drive one job after another."""
        while self._goes_on:
            if not self._picking.acquire(blocking=False):
                self._parts.pause(_TURN_SECONDS)
                continue
            try:
                picked = self._pick()
            except Exception:
                log.exception("the queue could not be read")
                picked = None
            finally:
                self._picking.release()
            if picked:
                self._drive(*picked)
            else:
                self._parts.pause(_TICK_SECONDS)

    def _pick(self) -> tuple[Job, Server | None] | None:
        """Return a job that has a slot here: one without a driver, or the next of the queue."""
        if self._undriven:
            job_id = self._undriven.pop()
            self._driven.add(job_id)
            return Job(job_id), None
        server = self._server
        if server is None or not self._takes_jobs() or not self._has_place(server):
            return None
        storing = len(self._storing)
        job = self._parts.dispatcher.take(server, self._order, storing=storing)
        if job is None:
            return None
        self._driven.add(job.id)
        return job, server

    def _has_place(self, server: Server) -> bool:
        """Return whether ComfyUI has a place in its queue for one more job."""
        return len(server.record.slot_holders - self._storing) < config.slots_per_gpu

    def _drive(self, job: Job, server: Server | None) -> None:
        self._has_worked = True
        try:
            self._parts.driver.advance(
                job,
                until=self._until,
                server=server,
                on_executed=partial(self._storing.add, job.id),
            )
        except JobBusy:
            log.info("job %s has another driver", job.id)
        except JobFinished:
            self._parts.cleanup.ended(job)  # the process that ended it may have died before
        except Exception:
            log.exception("a job could not be driven", extra={"job_id": job.id})
        finally:
            self._driven.discard(job.id)
            self._storing.discard(job.id)
            self._note_free(job)

    def _note_free(self, job: Job) -> None:
        """Note the slot of an ended job as free: the record is read again at the next tick only."""
        if self._server and not job.is_open:
            record = self._server.record
            record.jobs = (record.slot_holders - {job.id}) or None

    def _loaded_elsewhere(self) -> set[str]:
        now, records = self._clock(), InstanceRecord.all()
        others = [each for each in records if each.id != self._record.id and each.serves(now)]
        return {str(each.checkpoint) for each in others}

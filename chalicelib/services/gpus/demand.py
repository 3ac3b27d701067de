"""Demand: have jobs that wait followed, or a GPU started for them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from chalicelib.errors import GpuHeld, GpuNotReady, StartFailed
from chalicelib.models.fleet import followers
from chalicelib.models.fleet.instance import OTHER, InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs import queue
from chalicelib.signals import LeaseLost

if TYPE_CHECKING:
    from chalicelib.services.gpus.fleet import Fleet
    from chalicelib.services.gpus.messages import Messages

log = logging.getLogger("darkroom.demand")

# The item whose lease the worker has that starts instances.
_FLEET = f"{OTHER}fleet"
_TRY_SECONDS = 30
_LOOK_SECONDS = 5
_INDEX_SECONDS = 5  # after which a job that was just queued is almost surely in the index
_GROW_SECONDS = 10


class Demand:
    """Sends the message that the jobs in the queue need, if they need one."""

    def __init__(self, fleet: Fleet, messages: Messages, clock: Callable[[], float]) -> None:
        self._fleet = fleet
        self._grown_at = float("-inf")
        self._messages = messages
        self._clock = clock

    def tell(self, jobs: int = 1) -> None:
        """Call this after jobs have entered the queue: one read if an instance serves already.

        Instances that serve and have no follower get one, as far as the jobs need them: first those
        without a job, on which a job begins at once. If none serves or boots, a worker starts one,
        unless starts are put off.
        """
        now, records = self._clock(), InstanceRecord.all()
        serving = [each for each in records if each.serves(now)]
        if not serving:
            return self._start(records, now)
        # A follower looks at the queue every second.
        idle = [each for each in serving if not each.slot_holders]
        needed = sorted(idle, key=lambda each: not each.is_followed(now))[:jobs]
        alone = [each for each in serving if not each.is_followed(now)]
        for each in needed:
            if each in alone:
                self._call(each)
        # In their further slots, jobs wait for the ones before.
        jobs -= sum(each.free_slots for each in serving if each not in alone or each in needed)
        for each in sorted(alone, key=lambda each: -each.free_slots):
            if jobs > 0 and each not in needed:
                self._call(each)
                jobs -= max(each.free_slots, 1)
        return None

    def look_after(self, instance_id: str, *, at: float) -> None:
        """Have an instance looked at when a lease has ended, in case its driver dies."""
        self._messages.check(instance_id, at=at)

    def grow(self, jobs: int) -> None:
        """Have other instances help with the jobs of the queue, and start more if these need it."""
        self.tell(jobs)
        now = self._clock()
        if self._fleet.may_grow and now - self._grown_at >= _GROW_SECONDS:
            self._grown_at = now
            with suppress(GpuNotReady, StartFailed):
                self._fleet.scale()

    def repair(self) -> None:
        """Have every instance followed that needs it, in case messages were lost."""
        now, waits = self._clock(), not queue.is_empty()
        for each in InstanceRecord.all():
            is_needed = each.slot_holders or boots(each) or (waits and each.serves(now))
            if is_needed and not each.is_followed(now):
                self._call(each)

    def start(self, *, is_check: bool = True) -> None:
        """Start instances that the queue needs, and look again while none serves or boots.

        One worker at a time does this; any other one that is asked returns at once. When the budget
        is used up, or an administrator has stopped the GPUs, nothing is started; the reconciler
        asks again every minute.
        """
        lease, now = uuid4().hex, self._clock()
        fleet = InstanceRecord(_FLEET)
        if queue.is_empty():
            if not is_check:  # the job that was just queued may not be in the index yet
                self._messages.start(at=now + _INDEX_SECONDS, is_check=True)
            return
        if not self._fleet.is_paid:
            return
        if not followers.claim(fleet, lease, now=now, until=now + _TRY_SECONDS):
            return
        again_at = self._scale()
        records, now = InstanceRecord.all(), self._clock()
        if any(each.serves(now) or boots(each) for each in records):
            followers.release(fleet, lease)
            self.tell()
            return
        if again_at is None:
            followers.release(fleet, lease)
            return
        with suppress(LeaseLost):
            followers.renew(fleet, lease, until=again_at)
            self._messages.start(at=again_at, is_check=True)

    def _call(self, record: InstanceRecord) -> None:
        """Have an instance followed, with one message for all jobs that come at once."""
        now = self._clock()
        if followers.may_call(record, now=now) and followers.call(record, now=now):
            self._messages.follow(record.id)

    def _scale(self) -> float | None:
        """Start instances; return when to look again if that has started none.

        None leaves that to the reconciler.
        """
        try:
            self._fleet.scale(least_jobs=1)
        except GpuHeld as hold:  # which may last for days
            log.info("no GPU instance is started: %s", hold)
            return None
        except GpuNotReady as wait:
            log.info("no GPU instance is started: %s", wait)
            return self._clock() + max(wait.retry_seconds, _LOOK_SECONDS)
        except StartFailed as refusal:
            log.info("no GPU instance is started: %s", refusal)
            return max(float(StartSeries.read(now=self._clock()).next_at), self._clock() + 1)
        return self._clock() + _LOOK_SECONDS if self._fleet.stops_some else None

    def _start(self, records: list[InstanceRecord], now: float) -> None:
        booting = [each for each in records if boots(each)]
        for each in booting:
            if not each.is_followed(now):
                self._call(each)
        if not booting and not InstanceRecord.read(_FLEET).is_followed(now):
            self._messages.start()


def boots(record: InstanceRecord) -> bool:
    """Return whether an instance was started and is expected to become ready."""
    return (
        record.on_since is not None
        and record.ready_at is None
        and record.unhealthy_reason is None
        and record.draining_until is None
        and record.stop_requested_at is None
    )

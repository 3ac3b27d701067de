"""Turning the GPUs off and on at the request of people."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.errors import Conflict, FleetUnreachable, StopFailed
from chalicelib.models.fleet import stops
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.waits import GPU_HELD, GPU_NOT_READY
from chalicelib.services.billing.booking import account
from chalicelib.services.jobs.interruption import interrupt
from chalicelib.services.together import Together

if TYPE_CHECKING:
    from chalicelib.services.gpus.fleet import Fleet
    from chalicelib.services.gpus.inventory import InstanceView
    from chalicelib.services.gpus.queue_snapshots import QueueSnapshots

log = logging.getLogger("darkroom.stop")


class Stopping(Struct, frozen=True):
    """An instance that stops: whether EC2 was asked, its jobs that go on, and those put back."""

    is_asked: bool
    running: int
    returned: int


class Stopped(Struct, frozen=True):
    """What a request to stop has done: `kept` instances stay on, as they have the tag for that.

    `held_until` is when jobs may start instances again, None for at once.
    """

    instances: list[Stopping]
    kept: int
    waiting_jobs: int
    held_until: float | None


class GpuPower:
    def __init__(
        self,
        fleet: Fleet,
        queue_snapshots: QueueSnapshots,
        together: Together,
        clock: Callable[[], float],
    ) -> None:
        self._fleet = fleet
        self._snapshots = queue_snapshots
        self._together = together
        self._clock = clock

    def start(self, key_id: str | None) -> None:
        """Start an instance as `Fleet.start` does; callers read at once that a hold is over."""
        now = self._clock()
        is_held = StartSeries.read(now=now).is_held(now)
        try:
            self._fleet.start(key_id)
        finally:
            if is_held:
                self._snapshots.refresh(is_due=True)

    def stop(self, *, at_once: bool, for_seconds: int) -> Stopped:
        """Stop all instances, and let none start for some seconds; safe to repeat.

        Instances without jobs are stopped here, others by the reconciler when their jobs have
        ended; with `at_once` all are, and their jobs go back into the queue. Raise Conflict if
        ComfyUI runs at a fixed address, and FleetUnreachable if EC2 does not answer: unless
        `for_seconds` is 0, nothing starts then, and the reconciler stops the instances.
        """
        inventory = self._fleet.inventory
        held_until = self._clock() + for_seconds if for_seconds else None
        with suppress(FleetUnreachable):
            self._check_may_stop()
        StartSeries().hold(until=held_until)
        waiting, seen_at = queue.length(), self._clock()
        on = [each for each in inventory.views(max_age_seconds=0) if each.is_on]
        leaving = [each for each in on if not each.instance.is_kept]
        waits_for = GPU_HELD if held_until else GPU_NOT_READY
        instances: list[Stopping] = self._together(
            [partial(self._stop, each, seen_at, waits_for if at_once else None) for each in leaving]
        )
        self._snapshots.refresh(is_due=True)
        waiting += sum(each.returned for each in instances)
        return Stopped(instances, len(on) - len(leaving), waiting, held_until)

    def _check_may_stop(self) -> None:
        if self._fleet.inventory.has_fixed_address:
            raise Conflict(
                "ComfyUI runs at a fixed address, which Darkroom neither starts nor stops",
                suggestion="Stop ComfyUI where it runs; jobs wait until it answers again",
            )

    def _stop(self, view: InstanceView, seen_at: float, waits_for: str | None) -> Stopping:
        """Stop an instance, or have the reconciler do it; `waits_for` is for jobs put back."""
        stops.request(view.record, now=self._clock())
        self._account(view, seen_at)
        returned = 0
        if waits_for:
            returned = interrupt(view.record, waits_for=waits_for, clock=self._clock)
        return Stopping(self._ask(view), len(view.record.slot_holders), returned)

    def _account(self, view: InstanceView, seen_at: float) -> None:
        """Book what the instance did until now: the reconciler books only what is on."""
        try:
            is_ready = view.record.ready_at is not None
            account(view.instance, view.record, until=seen_at, is_ready=is_ready)
        except Exception:
            log.exception(
                "the time of a GPU instance could not be booked",
                extra={"instance_id": view.instance.id},
            )

    def _ask(self, view: InstanceView) -> bool:
        try:
            return self._fleet.stop_as_requested(view)
        except StopFailed as failed:
            extra = {"instance_id": view.instance.id}
            log.warning("%s; the reconciler tries again", failed, extra=extra)
            return False

"""The fleet: start instances when none can serve, or when there are too few for the queue."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.errors import (
    GpuNotReady,
    NoCapacity,
    StartFailed,
    StillStopping,
)
from chalicelib.models.catalogs import budget_mark
from chalicelib.models.fleet import stops
from chalicelib.models.fleet.creation import Creation
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs import queue
from chalicelib.models.keys.gpu_starts import GpuStartLimit
from chalicelib.services.billing.budget import Budget
from chalicelib.services.gpus.inventory import InstanceView, Inventory
from chalicelib.services.gpus.messages import Messages
from chalicelib.services.gpus.scaling import Limits, wanted
from chalicelib.services.gpus.starter import Starter, hold_of, refusal_of
from chalicelib.services.gpus.state import (
    COMING,
    DRAINING,
    NO_CAPACITY,
    STARTING,
    STOPPED,
    STOPPING,
    UNHEALTHY,
)
from chalicelib.services.gpus.status_texts import execution_seconds

if TYPE_CHECKING:
    from chalicelib.gateways.ec2 import GpuFleet, Instance, StaticFleet

log = logging.getLogger("darkroom.fleet")

_RECLAIM_SECONDS = 300  # EC2 gives two minutes' notice
_STILL_STOPPING = "the GPU instance is still stopping and cannot start yet"
DRAIN_SECONDS = 90  # the longest until EC2 describes an instance as stopping, and a margin


class Fleet:
    """All instances of one deployment: their inventory, and how many of them are on."""

    def __init__(
        self,
        inventory: Inventory,
        gateway: GpuFleet | StaticFleet,
        starter: Starter,
        limits: Limits,
        budget: Budget,
        messages: Messages,
        clock: Callable[[], float],
    ) -> None:
        self.inventory = inventory
        self._gateway = gateway
        self._starter = starter
        self._limits = limits
        self._budget = budget
        self._messages = messages
        self._clock = clock

    @property
    def stops_some(self) -> bool:
        """Whether an instance is about to stop, or stops, and can be started after that."""
        states = {each.state for each in self.inventory.views()}
        return bool(states & {DRAINING, STOPPING, STARTING})

    @property
    def may_grow(self) -> bool:
        """Whether more than one instance may be on."""
        return self._limits.fleet_max > 1

    @property
    def is_paid(self) -> bool:
        """Whether money is left today, as the reconciler last published it."""
        mark = budget_mark.read()
        return mark is None or not mark.is_exhausted(self._budget.dollars, self._clock())

    def start(self, key_id: str | None) -> None:
        """Start an instance unless one is on; `key_id` is None for callers without a limit.

        This ends a hold, and lets instances serve on whose stop was requested. Raise
        TooManyRequests if the key has started one less than an hour ago, StartFailed if EC2
        refuses, and BudgetExhausted if nothing is left to spend today.
        """
        self.inventory.usable(max_age_seconds=0)
        views = self.inventory.views()
        on = [each for each in views if each.is_on]
        if on:
            self._end_hold()
        if [each for each in on if self._stays_on(each)]:
            return
        if not views:
            raise NoCapacity(Creation.why_no_instance() or "there is no GPU instance")
        startable, count = self._affordable(views, 1)
        if on and not startable:
            raise StillStopping(_STILL_STOPPING)
        if not startable:
            raise StartFailed(
                "all GPU instances are unhealthy; none is started for an hour",
                suggestion="Try again in an hour; if it fails again, report it to the operator",
            )
        if not count:
            raise self._budget.exhausted()
        start = GpuStartLimit.take(key_id, now=self._clock()) if key_id else None
        try:
            self._end_hold()
            self._start_one()
        except Exception:
            if start:
                start.give_back()
            raise

    def _end_hold(self) -> None:
        series = StartSeries.read(now=self._clock())
        if series.is_held(self._clock()):
            series.hold(until=None)
            self._messages.start()  # for the jobs that wait

    def _stays_on(self, view: InstanceView) -> bool:
        """Let an instance serve on whose stop was requested; return False if it is being stopped.

        One that does not work is still stopped, and replaced as any other.
        """
        if view.record.stop_requested_at is None or view.state == UNHEALTHY:
            return True
        if not stops.withdraw(view.record, now=self._clock()):
            return False
        self._messages.follow(view.instance.id)
        return True

    def _start_one(self) -> None:
        try:
            started = self._start(lambda views: self._affordable(views, 1))
        except GpuNotReady as wait:  # another process is starting instances, or just has
            now = self._clock()
            series = StartSeries.read(now=now)
            if why := hold_of(series, now=now) or refusal_of(series):
                raise NoCapacity(why) from wait
            if series.holder is None and not self._is_one_on():
                raise StillStopping(_STILL_STOPPING) from wait
        else:
            if not started:
                raise StillStopping(_STILL_STOPPING)
        finally:
            self.inventory.expire()

    def _is_one_on(self) -> bool:
        """Whether an instance is on: what started moments ago may have been stopped since."""
        return any(each.is_on for each in self.inventory.views(max_age_seconds=0))

    def scale(self, *, least_jobs: int = 0) -> None:
        """Start the instances that the open jobs need, as far as the limits allow.

        Raise StartFailed if EC2 refuses all, and GpuNotReady while another process starts some or
        a retry is not due.
        """
        stopped, missing = self._plan(self.inventory.views(), least_jobs)
        if missing <= 0 or not stopped:
            return
        try:
            self._start(lambda views: self._plan(views, least_jobs))
        finally:
            self.inventory.expire()

    def _start(self, plan: Callable[[list[InstanceView]], tuple[list[InstanceView], int]]) -> int:
        """Start the planned instances; write the new end of the budget to those that are on."""
        # Read again once no other process can start any: some may have been started since.
        started = self._starter.start(lambda: plan(self.inventory.views(max_age_seconds=0)))
        if started:
            views = self.inventory.views(max_age_seconds=0)
            self._budget.write_end_to_instances(views)
            for each in views:
                if each.is_on and not each.record.is_followed(self._clock()):
                    self._messages.follow(each.instance.id)
        return started

    def _plan(self, views: list[InstanceView], least_jobs: int) -> tuple[list[InstanceView], int]:
        """Return the instances that may be started, and how many of them should be."""
        served = sum(len(each.record.slot_holders) for each in views)
        open_jobs = max(queue.length() + served, least_jobs)
        want = wanted(open_jobs, execution_seconds(views), self._limits)
        missing = want - sum(each.state in COMING for each in views)
        # Instances that are on and do not serve count as well, until they are stopped.
        most = self._limits.fleet_max - sum(each.is_on for each in views)
        return self._affordable(views, max(min(missing, most), 0))

    def _affordable(self, views: list[InstanceView], count: int) -> tuple[list[InstanceView], int]:
        """Return the instances that may be started, and how many of them the budget allows."""
        startable = self._startable(views)
        return startable, self._budget.affordable(views, startable, count)

    def reclaim(self, instance_id: str) -> None:
        """Drain an instance that EC2 is about to reclaim; ignore instances of other fleets."""
        if any(each.id == instance_id for each in self.inventory.members(max_age_seconds=0)):
            log.warning("EC2 reclaims a GPU instance", extra={"instance_id": instance_id})
            until = self._clock() + _RECLAIM_SECONDS
            InstanceRecord(instance_id).drain(until=until)

    def stop(self, instance: Instance) -> None:
        self._gateway.stop(instance.id)
        self.inventory.expire()

    def stop_as_requested(self, view: InstanceView) -> bool:
        """Stop an instance whose stop was requested; return False while it starts, or has jobs."""
        until = self._clock() + DRAIN_SECONDS
        if view.instance.state != "running" or not stops.begin(view.record, until=until):
            return False
        log.info("an administrator stops a GPU", extra={"instance_id": view.instance.id})
        self.stop(view.instance)
        return True

    def _startable(self, views: list[InstanceView]) -> list[InstanceView]:
        """Return the healthy instances that are stopped, else those that are stopping."""
        off = [each for each in views if each.state in (STOPPED, NO_CAPACITY)]
        stopping = [each for each in views if each.state == STOPPING]
        unhealthy = [
            each for each in stopping if (each.record.unhealthy_until or 0) > self._clock()
        ]
        healthy = off or [each for each in stopping if each not in unhealthy]
        return sorted(healthy, key=lambda each: int(each.record.failed_boots))

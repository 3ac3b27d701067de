"""The fleet: start instances when none can serve, or when there are too few for the queue."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.errors import (
    ComfyUIUnavailable,
    GpuNotReady,
    NoCapacity,
    StartFailed,
    StillStopping,
)
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs import queue
from chalicelib.models.keys.gpu_starts import GpuStartLimit
from chalicelib.services.billing.budget import Budget
from chalicelib.services.gpus.inventory import InstanceView, Inventory, Server
from chalicelib.services.gpus.scaling import Limits, wanted
from chalicelib.services.gpus.starter import Starter, refusal_of
from chalicelib.services.gpus.state import (
    COMING,
    NO_CAPACITY,
    STOPPED,
    STOPPING,
)
from chalicelib.services.gpus.status_texts import execution_seconds, progress
from chalicelib.signals import OutOfBudget

if TYPE_CHECKING:
    from chalicelib.gateways.ec2 import GpuFleet, Instance, StaticFleet

log = logging.getLogger("darkroom.fleet")

_BOOT_LOOK_SECONDS = 2.0  # each function that waits for a GPU asks EC2 for itself
_SCALE_UP_SECONDS = 10
_RECLAIM_SECONDS = 300  # EC2 gives two minutes' notice
_MOST_COUNTED = 1000  # jobs of the queue; no fleet is so large that more would matter


class Fleet:
    """All instances of one deployment: their inventory, and how many of them are on."""

    def __init__(
        self,
        inventory: Inventory,
        gateway: GpuFleet | StaticFleet,
        starter: Starter,
        limits: Limits,
        budget: Budget,
        clock: Callable[[], float],
    ) -> None:
        self.inventory = inventory
        self._gateway = gateway
        self._starter = starter
        self._limits = limits
        self._budget = budget
        self._clock = clock
        self._scaled_up_at = float("-inf")

    def bring_up(self) -> list[Server]:
        """Return the servers if some have become ready; else start an instance if one is needed.

        Raise GpuNotReady until one serves, OutOfBudget, or ComfyUIUnavailable if none ever will.
        """
        known = self.inventory.running()
        self.inventory.members(max_age_seconds=_BOOT_LOOK_SECONDS)
        if self.inventory.running() != known and (servers := self.inventory.observe_serving()):
            return servers
        raise self._start_or_wait()

    def start(self, key_id: str | None) -> None:
        """Start an instance unless one is on; `key_id` is None for callers without a limit.

        Raise TooManyRequests if the key has started one less than an hour ago, StartFailed if EC2
        refuses, and BudgetExhausted if nothing is left to spend today.
        """
        members = self.inventory.usable(max_age_seconds=0)
        if any(each.state in ("running", "pending") for each in members):
            return
        views = self.inventory.observe()
        if any(each.is_on for each in views):
            return
        startable, count = self._affordable(views, 1)
        if not startable:
            raise StartFailed(
                "all GPU instances are unhealthy; none is started for an hour",
                suggestion="Try again in an hour; if it fails again, report it to the operator",
            )
        if not count:
            raise self._budget.exhausted()
        start = GpuStartLimit.take(key_id, now=self._clock()) if key_id else None
        try:
            self._start_one()
        except Exception:
            if start:
                start.give_back()
            raise

    def _start_one(self) -> None:
        try:
            started = self._start(lambda views: self._affordable(views, 1))
        except GpuNotReady as wait:  # another process is starting instances
            if why := refusal_of(StartSeries.read(now=self._clock())):
                raise NoCapacity(why) from wait
        else:
            if not started:
                raise StillStopping("the GPU instance is still stopping and cannot start yet")
        finally:
            self.inventory.expire()

    def scale(self, *, least_jobs: int = 0) -> None:
        """Start the instances that the open jobs need, as far as EC2 and the limits allow."""
        stopped, missing = self._plan(self.inventory.observe(), least_jobs)
        if missing <= 0 or not stopped:
            return
        try:
            self._start(lambda views: self._plan(views, least_jobs))
        except (GpuNotReady, StartFailed) as refusal:
            log.info("no more GPU instances are started: %s", refusal)
        self.inventory.expire()

    def _start(self, plan: Callable[[list[InstanceView]], tuple[list[InstanceView], int]]) -> int:
        """Start the planned instances; write the new end of the budget to those that are on."""
        # Observed again once no other process can start any: some may have been started since.
        started = self._starter.start(lambda: plan(self.inventory.observe(max_age_seconds=0)))
        if started:
            self._budget.write_end_to_instances(self.inventory.observe(max_age_seconds=0))
        return started

    def _plan(self, views: list[InstanceView], least_jobs: int) -> tuple[list[InstanceView], int]:
        """Return the instances that may be started, and how many of them should be."""
        served = sum(len(each.record.slot_holders) for each in views)
        open_jobs = max(queue.length(_MOST_COUNTED) + served, least_jobs)
        want = wanted(open_jobs, execution_seconds(views), self._limits)
        missing = want - sum(each.state in COMING for each in views)
        return self._affordable(views, max(missing, 0))

    def _affordable(self, views: list[InstanceView], count: int) -> tuple[list[InstanceView], int]:
        """Return the instances that may be started, and how many of them the budget allows."""
        startable = self._startable(views)
        return startable, self._budget.affordable(views, startable, count)

    def scale_up(self) -> None:
        """Start more instances for a waiting job, unless that was done a few seconds ago."""
        is_due = self._clock() - self._scaled_up_at > _SCALE_UP_SECONDS
        if self._limits.fleet_max > 1 and is_due:
            self._scaled_up_at = self._clock()
            with suppress(GpuNotReady):  # EC2 does not answer; the reconciler scales, too
                self.scale()

    def reclaim(self, instance_id: str) -> None:
        """Drain an instance that EC2 is about to reclaim; ignore instances of other fleets."""
        if any(each.id == instance_id for each in self.inventory.members(max_age_seconds=0)):
            log.warning("EC2 reclaims a GPU instance", extra={"instance_id": instance_id})
            until = self._clock() + _RECLAIM_SECONDS
            InstanceRecord(instance_id).drain(until=until)

    def stop(self, instance: Instance) -> None:
        self._gateway.stop(instance.id)
        self.inventory.expire()

    def _startable(self, views: list[InstanceView]) -> list[InstanceView]:
        """Return the healthy instances that are stopped, else those that are stopping."""
        off = [each for each in views if each.state in (STOPPED, NO_CAPACITY)]
        stopping = [each for each in views if each.state == STOPPING]
        unhealthy = [
            each for each in stopping if (each.record.unhealthy_until or 0) > self._clock()
        ]
        healthy = off or [each for each in stopping if each not in unhealthy]
        return sorted(healthy, key=lambda each: int(each.record.failed_boots))

    def _start_or_wait(self) -> Exception:
        try:
            self.inventory.usable()
        except ComfyUIUnavailable as never:
            return never
        self.scale(least_jobs=1)
        views = self.inventory.observe()
        if self._budget.forecast(views).is_exhausted:
            return OutOfBudget(self._budget.reason)
        return progress(views, self._clock())

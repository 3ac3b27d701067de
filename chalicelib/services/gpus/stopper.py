"""Stop GPU instances: idle or unhealthy, on for too long, past the budget, or as requested."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.models.fleet import boots, stops
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs import queue
from chalicelib.services.billing.booking import account
from chalicelib.services.billing.budget import Budget
from chalicelib.services.gpus.fleet import DRAIN_SECONDS, Fleet
from chalicelib.services.gpus.inventory import InstanceView
from chalicelib.services.gpus.off import note_off
from chalicelib.services.gpus.scaling import is_needed
from chalicelib.services.gpus.state import COMING, DRAINING, READY, UNHEALTHY
from chalicelib.services.gpus.stop_reasons import (
    FAULTS,
    IDLE,
    OLD,
    REQUESTED,
    UNPAID,
    StopLimits,
    StopReason,
    stop_reasons,
)

if TYPE_CHECKING:
    from chalicelib.gateways.ec2 import Instance

log = logging.getLogger("darkroom.stopper")


class Stopper:
    def __init__(
        self,
        fleet: Fleet,
        budget: Budget,
        *,
        limits: StopLimits,
        clock: Callable[[], float],
    ) -> None:
        self._fleet = fleet
        self._budget = budget
        self._limits = limits
        self._clock = clock
        self._is_held = False  # by an administrator, as of the beginning of the round

    def stop_unneeded(self) -> None:
        """Record the state of every instance, and stop those that are not needed.

        If one fails, the others are still handled; raise the last error at the end.
        """
        seen_at, views = self._clock(), self._fleet.inventory.observe()
        open_jobs = _open_jobs(views)
        on = sum(each.state in COMING for each in views)
        paid_until, failed = self._publish_budget(views)
        self._is_held = self._fleet.inventory.starts.is_held(seen_at)
        for each in views:
            try:
                self._note(each, seen_at)
                on -= self._stop_unneeded(each, on=on, open_jobs=open_jobs, paid_until=paid_until)
            except Exception as error:
                log.exception(
                    "a GPU instance could not be checked", extra={"instance_id": each.instance.id}
                )
                failed = error
        self._forget(views)
        if failed:
            raise failed

    def _publish_budget(self, views: list[InstanceView]) -> tuple[float, Exception | None]:
        """Publish the end of the budget; return it (infinity is not today), and the error if one.

        This precedes all booking, so that no second counts as both booked and not yet booked.
        """
        try:
            forecast = self._budget.write_end_to_instances(views)
            self._budget.publish_end(forecast)
            is_spent = forecast.is_exhausted or any(each.is_on for each in views)
            if self._budget.dollars is not None and is_spent:
                percent = self._budget.percent(forecast)
                metrics.emit("budget", {"BudgetPercent": percent}, dollars=round(forecast.spent, 6))
        except Exception as error:
            log.exception("the end of the budget could not be published")
            return inf, error
        return forecast.ends_at, None

    def _note(self, view: InstanceView, seen_at: float) -> None:
        """Record an instance's state, and book what it did until it was observed."""
        record, now = view.record, self._clock()
        # An instance that is silent for a moment does not count as used.
        is_silent = record.unreachable_since is not None
        is_idle = view.state in (READY, DRAINING, UNHEALTHY) or is_silent
        if not view.is_on:
            note_off(view.instance, record, now=now)
        record.note(
            view.state,
            now=now,
            is_on=view.is_on,
            is_idle=is_idle,
            launched_at=view.instance.launched_at,
            description=view.description,
        )
        if view.is_on:
            self._account(view, seen_at)

    def _stop_unneeded(
        self, view: InstanceView, *, on: int, open_jobs: int, paid_until: float
    ) -> bool:
        """Stop an instance that is not needed; return whether it was in a `COMING` state."""
        if not _may_be_stopped(view.instance):
            return False
        self._request_under_hold(view.record)
        state, limits, now = view.state, self._limits, self._clock()
        may_stay = is_needed(on=on, open_jobs=open_jobs)
        reasons = stop_reasons(view.record, state, limits, now=now, paid_until=paid_until)
        for each in reasons:
            holds = each.at <= now and not (each.spares_needed and may_stay)
            if holds and self._stop_for(each, view):
                return state in COMING
        return False

    def _request_under_hold(self, record: InstanceRecord) -> None:
        """Request the stop of an instance whose start was under way when the hold was written."""
        now = self._clock()
        if record.stop_requested_at is None and self._is_held:
            stops.request(record, now=now)
            if not StartSeries.read(now=now).is_held(now):  # a start has ended it meanwhile
                stops.withdraw(record, now=now)

    def _account(self, view: InstanceView, seen_at: float) -> None:
        if not view.instance.can_be_started:
            return  # this deployment does not pay for it
        try:
            is_ready = view.record.ready_at is not None
            account(view.instance, view.record, until=seen_at, is_ready=is_ready)
        except Exception:
            log.exception(
                "the time of a GPU instance could not be booked",
                extra={"instance_id": view.instance.id},
            )

    def _stop_for(self, reason: StopReason, view: InstanceView) -> bool:
        """Stop an instance for a reason; return False if it waits for jobs."""
        if reason.kind == REQUESTED:
            return self._fleet.stop_as_requested(view)
        record, now = view.record, self._clock()
        if now < reason.at_with_jobs and not self._drain(reason, record, now):
            return False
        why = self._why(reason, view, now)
        self._stop(view, why)
        if reason.kind in FAULTS and not record.ready_at:
            boots.failed(record, why, now=now)
        return True

    def _drain(self, reason: StopReason, record: InstanceRecord, now: float) -> bool:
        """Give out no more slots; return False if jobs have some."""
        if not record.slot_holders or reason.jobs_seconds == inf:
            return record.drain_if_empty(until=now + DRAIN_SECONDS)
        record.drain(until=now + reason.jobs_seconds)
        return False

    def _why(self, reason: StopReason, view: InstanceView, now: float) -> str:
        seconds = now - reason.since
        if reason.kind == UNPAID:
            return self._budget.reason
        if reason.kind == IDLE:
            return f"it was idle for {seconds:.0f} s"
        if reason.kind == OLD:
            return f"on for {seconds:.0f} s"
        return view.record.unhealthy_reason or f"{view.state} for {seconds:.0f} s"

    def _stop(self, view: InstanceView, why: str) -> None:
        extra = {"instance_id": view.instance.id}
        log.warning("stopping a GPU instance: %s", why, extra=extra)
        self._fleet.stop(view.instance)

    def _forget(self, views: list[InstanceView]) -> None:
        """Delete the records of instances that no longer exist."""
        members = {each.instance.id for each in views}
        for record in InstanceRecord.all():
            if record.id not in members:
                record.forget()


def _may_be_stopped(instance: Instance) -> bool:
    return instance.state == "running" and instance.can_be_started and not instance.is_kept


def _open_jobs(views: list[InstanceView]) -> int:
    """Return about how many jobs the last instance has to stay on for.

    If the queue cannot be read, an instance is judged by its own idleness: what has served nothing
    for so long is stopped, and a job that waits starts one again.
    """
    served = sum(len(each.record.slot_holders) for each in views)
    try:
        return served + (not queue.is_empty())
    except Exception:
        log.exception("the queue could not be read")
        return served

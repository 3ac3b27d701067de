"""Stop GPU instances: idle or unhealthy, on for too long, past the budget, or as requested."""

import logging
from collections.abc import Callable

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
from chalicelib.services.gpus.scaling import may_stop
from chalicelib.services.gpus.state import (
    BOOTING,
    COMING,
    DRAINING,
    READY,
    UNHEALTHY,
    is_lost,
)

log = logging.getLogger("darkroom.stopper")

# An execution that is interrupted while it loads a checkpoint ends after the load; until then its
# ComfyUI looks unhealthy.
_UNHEALTHY_SECONDS = 30
# Longer than ComfyUI takes to restart.
_SILENT_SECONDS = 120


class Stopper:
    def __init__(
        self,
        fleet: Fleet,
        budget: Budget,
        *,
        idle_stop_seconds: int,
        boot_timeout_seconds: int,
        max_on_seconds: int,
        execution_deadline_seconds: int,
        clock: Callable[[], float],
    ) -> None:
        self._fleet = fleet
        self._budget = budget
        self._idle_seconds = idle_stop_seconds
        self._boot_seconds = boot_timeout_seconds
        self._max_on_seconds = max_on_seconds
        self._execution_deadline_seconds = execution_deadline_seconds
        self._clock = clock
        self._is_held = False  # by an administrator, as of the beginning of the round

    def stop_unneeded(self) -> None:
        """Record the state of every instance, and stop those that are not needed.

        If one fails, the others are still handled; raise the last error at the end.
        """
        seen_at, views = self._clock(), self._fleet.inventory.observe()
        open_jobs = _open_jobs(views)
        on = sum(each.state in COMING for each in views)
        is_paid, failed = self._publish_budget(views)
        self._is_held = self._fleet.inventory.starts.is_held(seen_at)
        for each in views:
            try:
                self._note(each, seen_at)
                on -= self._stop_unneeded(each, on=on, open_jobs=open_jobs, is_paid=is_paid)
            except Exception as error:
                log.exception(
                    "a GPU instance could not be checked", extra={"instance_id": each.instance.id}
                )
                failed = error
        self._forget(views)
        if failed:
            raise failed

    def _publish_budget(self, views: list[InstanceView]) -> tuple[bool, Exception | None]:
        """Publish the end of the budget; return whether money is left, and the error if one.

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
            return True, error
        return not forecast.is_exhausted, None

    def _note(self, view: InstanceView, seen_at: float) -> None:
        """Record an instance's state, and book what it did until it was observed."""
        record, now = view.record, self._clock()
        # An instance that is silent for a moment does not count as used.
        is_silent = record.unreachable_since is not None
        is_idle = view.state in (READY, DRAINING, UNHEALTHY) or is_silent
        launched_at = view.instance.launched_at
        if not view.is_on:
            note_off(view.instance, record, now=now)
        record.note(view.state, now=now, is_on=view.is_on, is_idle=is_idle, launched_at=launched_at)
        if view.is_on:
            self._account(view, seen_at)

    def _stop_unneeded(self, view: InstanceView, *, on: int, open_jobs: int, is_paid: bool) -> bool:
        """Stop an instance that is not needed; return whether it was in a `COMING` state."""
        record, now = view.record, self._clock()
        if view.instance.state != "running" or not view.instance.can_be_started:
            return False
        if view.instance.is_kept:
            return False
        if self._stop_requested(view):
            return view.state in COMING
        if not is_paid and record.drain_if_empty(until=now + DRAIN_SECONDS):
            self._stop(view, self._budget.reason)
            return view.state in COMING
        if view.state == READY:
            return self._stop_idle(view, on=on, open_jobs=open_jobs)
        return self._stop_useless(view) or self._stop_old(view)

    def _stop_requested(self, view: InstanceView) -> bool:
        """Stop an instance as an administrator requested it, once its jobs have ended.

        Under a hold that is any instance: a start may have been under way when it was written.
        """
        record, now = view.record, self._clock()
        if record.stop_requested_at is None and self._is_held:
            stops.request(record, now=now)
            if not StartSeries.read(now=now).is_held(now):  # a start has ended it meanwhile
                stops.withdraw(record, now=now)
        return record.stop_requested_at is not None and self._fleet.stop_as_requested(view)

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

    def _stop_idle(self, view: InstanceView, *, on: int, open_jobs: int) -> bool:
        """Stop an instance that had no work for long enough, unless it just got a job."""
        record, now = view.record, self._clock()
        # `served_at` also covers jobs that came and ended between two rounds.
        idle_seconds = now - max(float(record.used_at or now), float(record.served_at or 0))
        is_old = now - float(record.on_since or now) >= self._max_on_seconds
        limit_seconds = 0 if is_old else self._idle_seconds
        if not may_stop(idle_seconds, on=on, open_jobs=open_jobs, limit_seconds=limit_seconds):
            return False
        if not record.drain_if_empty(until=now + DRAIN_SECONDS):
            return False
        self._stop(view, f"it was idle for {idle_seconds:.0f} s")
        return True

    def _stop_useless(self, view: InstanceView) -> bool:
        """Stop an instance that does not become ready, or is unhealthy."""
        record, now = view.record, self._clock()
        since = float(record.since)
        if record.unhealthy_attempt and view.state == UNHEALTHY:
            since, limit = float(record.unhealthy_since or since), _UNHEALTHY_SECONDS
        elif record.ready_at and is_lost(record, now):
            since, limit = float(record.unreachable_since or since), _SILENT_SECONDS
        elif record.unhealthy_reason and view.state == UNHEALTHY and not record.ready_at:
            limit = 0
        elif view.state in (BOOTING, UNHEALTHY):
            limit = self._boot_seconds
            # It may have been stopped and started since it was last seen.
            since = max(since, float(record.on_since or since))
        else:
            return False
        if now - since < limit:
            return False
        # It may have become ready just now.
        if view.state == BOOTING and not record.drain_if_empty(until=now + DRAIN_SECONDS):
            return False
        why = record.unhealthy_reason or f"{view.state} for {now - since:.0f} s"
        self._stop(view, why)
        if not record.ready_at:
            boots.failed(record, why, now=now)
        return view.state in COMING

    def _stop_old(self, view: InstanceView) -> bool:
        """Drain an instance that is on for too long, and stop it when its jobs have ended."""
        record, now = view.record, self._clock()
        seconds = now - float(record.on_since or now)
        if seconds < self._max_on_seconds:
            return False
        is_over = seconds >= self._max_on_seconds + self._execution_deadline_seconds
        if record.slot_holders and not is_over:
            record.drain(until=now + self._execution_deadline_seconds)
            return False
        if not is_over and not record.drain_if_empty(until=now + DRAIN_SECONDS):
            return False
        self._stop(view, f"on for {seconds:.0f} s")
        return view.state in COMING

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

"""Which GPU instances are stopped, and why: by proof that nobody uses them, or of no use."""

import logging
from collections.abc import Callable

from chalicelib import metrics
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.listing import count_open
from chalicelib.services.billing.booking import Booking
from chalicelib.services.billing.budget import Budget
from chalicelib.services.gpus.fleet import Fleet
from chalicelib.services.gpus.inventory import InstanceView
from chalicelib.services.gpus.scaling import may_stop
from chalicelib.services.gpus.state import (
    BOOTING,
    BUSY,
    COMING,
    DRAINING,
    READY,
    UNHEALTHY,
)

log = logging.getLogger("darkroom.stopper")

# A run that is interrupted while it loads a checkpoint ends when that is done; until then its
# ComfyUI looks as if it did not work.
_UNHEALTHY_SECONDS = 30
_DRAIN_SECONDS = 90  # longer than asking EC2 takes at worst, and until it says that one stops


class Stopper:
    """Stops what is idle, broken, or on for too long."""

    def __init__(
        self,
        fleet: Fleet,
        booking: Booking,
        budget: Budget,
        *,
        idle_stop_seconds: int,
        boot_timeout_seconds: int,
        max_on_seconds: int,
        execution_deadline_seconds: int,
        clock: Callable[[], float],
    ) -> None:
        self._fleet = fleet
        self._booking = booking
        self._budget = budget
        self._idle_seconds = idle_stop_seconds
        self._boot_seconds = boot_timeout_seconds
        self._max_on_seconds = max_on_seconds
        self._execution_deadline_seconds = execution_deadline_seconds
        self._clock = clock

    def stop_unneeded(self) -> None:
        """Note the state of every instance, and stop those that are of no use.

        What goes wrong with one is no reason to leave the others; raise the last error.
        """
        views = self._fleet.inventory.observe()
        open_jobs = sum(count_open().values())
        on = sum(each.state in COMING for each in views)
        is_paid, failed = self._publish_budget(views)
        for each in views:
            try:
                on -= self._update_and_stop(each, on=on, open_jobs=open_jobs, is_paid=is_paid)
            except Exception as error:
                log.exception("not stopped", extra={"instance_id": each.instance.id})
                failed = error
        self._forget(views)
        if failed:
            raise failed

    def _publish_budget(self, views: list[InstanceView]) -> tuple[bool, Exception | None]:
        """Tell whether the budget lasts, and everybody else until when; and what went wrong.

        This comes before anything is booked: what is booked is read with what is not yet.
        """
        try:
            forecast = self._budget.write_end_to_instances(views)
            self._budget.publish_end(forecast)
            is_spent = forecast.is_exhausted or any(each.is_on for each in views)
            if self._budget.dollars is not None and is_spent:
                percent = self._budget.percent(forecast)
                metrics.emit("budget", {"BudgetPercent": percent}, dollars=round(forecast.spent, 6))
        except Exception as error:
            log.exception("the budget is not known")
            return True, error
        return not forecast.is_exhausted, None

    def _update_and_stop(
        self, view: InstanceView, *, on: int, open_jobs: int, is_paid: bool
    ) -> bool:
        """Note the state of an instance; tell whether it was one that comes and is stopped."""
        record, now = view.record, self._clock()
        # Nothing is known to use what is silent for a moment.
        is_idle = view.state in (READY, DRAINING, UNHEALTHY) or (
            view.state == BUSY and view.server is None
        )
        launched_at = view.instance.launched_at
        since = record.note(
            view.state, now=now, is_on=view.is_on, is_idle=is_idle, launched_at=launched_at
        )
        if view.is_on:
            self._account(view)
        if record.unhealthy_attempt and view.server and not view.server.is_unhealthy:
            record.mark_healthy()
        if view.instance.state != "running" or not view.instance.can_be_started:
            return False
        if view.instance.is_kept:
            return False
        if not is_paid and record.drain_if_empty(until=now + _DRAIN_SECONDS):
            self._stop(view, self._budget.reason)
            return view.state in COMING
        if view.state == READY:
            return self._stop_idle(view, on=on, open_jobs=open_jobs)
        return self._stop_useless(view, since) or self._stop_old(view)

    def _account(self, view: InstanceView) -> None:
        if not view.instance.can_be_started:
            return  # somebody else pays for it
        try:
            is_ready = view.record.ready_at is not None
            self._booking.account(view.instance, view.record, is_ready=is_ready)
        except Exception:
            log.exception("not accounted", extra={"instance_id": view.instance.id})

    def _stop_idle(self, view: InstanceView, *, on: int, open_jobs: int) -> bool:
        """Stop it if it had no work for long enough, and gets none in this very moment."""
        record, now = view.record, self._clock()
        # Work that came and went between two rounds was not seen.
        idle_seconds = now - max(float(record.used_at or now), float(record.served_at or 0))
        is_old = now - float(record.on_since or now) >= self._max_on_seconds
        limit_seconds = 0 if is_old else self._idle_seconds
        if not may_stop(idle_seconds, on=on, open_jobs=open_jobs, limit_seconds=limit_seconds):
            return False
        if not record.drain_if_empty(until=now + _DRAIN_SECONDS):
            return False
        self._stop(view, f"it was idle for {idle_seconds:.0f} s")
        return True

    def _stop_useless(self, view: InstanceView, since: float) -> bool:
        """Stop what does not get ready, or does not work."""
        record, now = view.record, self._clock()
        if view.server and view.server.is_unhealthy:
            since, limit = float(record.unhealthy_since or since), _UNHEALTHY_SECONDS
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
        # It may have become ready in this very moment.
        if view.state == BOOTING and not record.drain_if_empty(until=now + _DRAIN_SECONDS):
            return False
        why = record.unhealthy_reason or f"{view.state} for {now - since:.0f} s"
        self._stop(view, why)
        if not record.ready_at:
            record.boot_failed(why, now=now)
        return view.state in COMING

    def _stop_old(self, view: InstanceView) -> bool:
        """Let what is on for too long end its work, and take no more; the last resort."""
        record, now = view.record, self._clock()
        seconds = now - float(record.on_since or now)
        if seconds < self._max_on_seconds:
            return False
        is_over = seconds >= self._max_on_seconds + self._execution_deadline_seconds
        if record.slot_holders and not is_over:
            record.drain(until=now + self._execution_deadline_seconds)
            return False
        if not is_over and not record.drain_if_empty(until=now + _DRAIN_SECONDS):
            return False
        self._stop(view, f"on for {seconds:.0f} s")
        return view.state in COMING

    def _stop(self, view: InstanceView, why: str) -> None:
        extra = {"instance_id": view.instance.id}
        log.warning("stopping a GPU instance: %s", why, extra=extra)
        self._fleet.stop(view.instance)

    def _forget(self, views: list[InstanceView]) -> None:
        """Delete what was known of instances that are no more."""
        members = {each.instance.id for each in views}
        for record in InstanceRecord.all():
            if record.id not in members:
                record.forget()

"""The publisher: it makes EventBridge Scheduler have what the table has."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.models.schedules.count import OwnerCount
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.models.schedules.state import DELETING, ENABLED
from chalicelib.services.schedules.timetables import expression_in_aws, next_run, start_in_aws
from chalicelib.signals import SchedulerUnavailable

if TYPE_CHECKING:
    from chalicelib.gateways.scheduler import Scheduler

log = logging.getLogger("darkroom.schedules")

# The note of a schedule that the reconciler pauses because AWS refuses it.
REFUSED = "paused, as EventBridge Scheduler does not accept the expression or the time zone"

_MINUTE = 60


class Publisher:
    """Tells EventBridge Scheduler of a change that this process has stored."""

    def __init__(self, scheduler: Scheduler, clock: Callable[[], float]) -> None:
        self._scheduler = scheduler
        self._clock = clock

    def publish(self, schedule: Schedule, *, is_new: bool = False) -> None:
        """Create, replace or delete it in AWS; if AWS does not answer, the reconciler does it.

        Raise ScheduleRefused if AWS refuses it; the table then still has the change.
        """
        if not schedule.may_sync(self._clock()):
            return  # storing the change took long: the reconciler tells AWS
        try:
            self._sync(schedule, is_new=is_new)
        except SchedulerUnavailable:
            log.exception("EventBridge Scheduler is told later", extra={"schedule_id": schedule.id})
            schedule.postpone(now=self._clock(), until=self._clock() + _MINUTE)

    def remove(self, schedule: Schedule) -> None:
        """Delete it in AWS, whatever its state is; raise SchedulerUnavailable."""
        self._scheduler.delete(schedule.id)
        schedule.mark_synced(now=self._clock())

    def _sync(self, schedule: Schedule, *, is_new: bool) -> None:
        # AWS refuses a schedule whose times are over, or runs it at once.
        if schedule.is_in_aws and next_run(schedule, self._clock()) is not None:
            self._put(schedule, is_new=is_new)
        else:
            self._scheduler.delete(schedule.id)
        if schedule.state != DELETING:
            schedule.mark_synced(now=self._clock())
        else:
            schedule.forget(lambda writes: OwnerCount.subtract_in(writes, schedule.owner))

    def _put(self, schedule: Schedule, *, is_new: bool) -> None:
        expression, timezone = expression_in_aws(schedule)
        self._scheduler.put(
            schedule.id,
            expression=expression,
            timezone=timezone,
            is_enabled=schedule.state == ENABLED,
            start_at=start_in_aws(schedule, self._clock()),
            end_at=None if schedule.end_at is None else float(schedule.end_at),
            retry_seconds=int(schedule.missed_window_minutes) * _MINUTE,
            token=str(schedule.revision),
            is_new=is_new,
        )

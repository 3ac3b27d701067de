"""The daily comparison of the schedules that are stored with those that AWS has."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.models.schedules import listing
from chalicelib.models.schedules.comparison import Comparison
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.models.schedules.state import IN_AWS
from chalicelib.services.schedules.publisher import REFUSED, Publisher
from chalicelib.services.schedules.timetables import next_run

if TYPE_CHECKING:
    from chalicelib.gateways.scheduler import Scheduler

log = logging.getLogger("darkroom.schedules")

_NEW_SECONDS = 3600  # the writer of a schedule that is younger may still be at work


class DailyComparison:
    def __init__(
        self, scheduler: Scheduler, publisher: Publisher, clock: Callable[[], float]
    ) -> None:
        self._scheduler = scheduler
        self._publisher = publisher
        self._clock = clock

    def compare_daily(self) -> None:
        """Compare once a day, and after a deployment; raise SchedulerUnavailable to try again."""
        now = self._clock()
        if Comparison.is_due(now):
            self.compare()
            Comparison.note(now)

    def compare(self) -> None:
        """Delete what only AWS has, and create again what AWS lacks."""
        # AWS first: what is created meanwhile is then in the table, at least.
        in_aws = dict(self._scheduler.ids())
        stored = dict(listing.states())
        for schedule_id, created_at in in_aws.items():
            is_new = created_at > self._clock() - _NEW_SECONDS
            if stored.get(schedule_id) not in IN_AWS and not is_new:
                self._mend(self._delete, schedule_id)
        for schedule_id, state in stored.items():
            if state in IN_AWS and schedule_id not in in_aws:
                self._mend(self._create, schedule_id)

    def _mend(self, mend: Callable[[str], None], schedule_id: str) -> None:
        """Mend one difference; an error of one does not keep the others from being mended."""
        try:
            mend(schedule_id)
        except Exception:
            log.exception("a difference to AWS is left", extra={"schedule_id": schedule_id})

    def _delete(self, schedule_id: str) -> None:
        schedule = Schedule.read(schedule_id)  # the index lags behind the table
        if schedule is None or not (schedule.is_in_aws or schedule.changed_until):
            log.warning("AWS has a schedule that is not stored", extra={"schedule_id": schedule_id})
            self._scheduler.delete(schedule_id)

    def _create(self, schedule_id: str) -> None:
        schedule, now = Schedule.read(schedule_id), self._clock()
        if schedule is None or schedule.created_at > now - _NEW_SECONDS:
            return
        is_refused = schedule.pause_note == REFUSED
        if not schedule.is_in_aws or is_refused or next_run(schedule, now) is None:
            return
        log.warning("AWS lacks a schedule", extra={"schedule_id": schedule_id})
        schedule.change(now=now)
        self._publisher.publish(schedule, is_new=True)

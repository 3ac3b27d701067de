"""The reconciler's work on schedules: it completes changes, and notes runs that never came."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.models.schedules import listing
from chalicelib.models.schedules.run import MISSED, NOT_DELIVERED, Run
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.models.schedules.state import PAUSED
from chalicelib.services.schedules.publisher import REFUSED, Publisher
from chalicelib.services.schedules.runs import advance, record
from chalicelib.signals import NotMade, ScheduleChanged, ScheduleRefused

if TYPE_CHECKING:
    from chalicelib.gateways.sqs import Undelivered, UndeliveredRuns

log = logging.getLogger("darkroom.schedules")

_LOOK_SECONDS = 30  # of the minute; the next round finds the schedules that are left
_BATCHES = 10

_NEVER_CAME = "no message of EventBridge Scheduler came for it"


class ScheduleWatch:
    def __init__(
        self, publisher: Publisher, undelivered: UndeliveredRuns, clock: Callable[[], float]
    ) -> None:
        self._publisher = publisher
        self._undelivered = undelivered
        self._clock = clock

    def look(self) -> None:
        """Look at the schedules that are due; an error of one does not keep the others waiting."""
        until = self._clock() + _LOOK_SECONDS
        for schedule in listing.due(self._clock()):
            if self._clock() > until:
                break
            try:
                self._look_at(schedule, until)
            except ScheduleChanged:
                continue
            except Exception:
                log.exception("a schedule is looked at again", extra={"schedule_id": schedule.id})

    def read_undelivered(self) -> None:
        """Record the runs that EventBridge Scheduler could not deliver."""
        for _ in range(_BATCHES):
            messages = self._undelivered.receive()
            for message in messages:
                self._take(message)
            if not messages:
                return

    def _look_at(self, schedule: Schedule, until: float) -> None:
        if schedule.changed_until is not None:
            self._publish(schedule)
        while schedule.is_overdue(self._clock()) and self._clock() <= until:
            at = float(schedule.next_run_at)
            if not Run.is_recorded(schedule.id, at):
                record(schedule, at, _missed(_NEVER_CAME), now=self._clock())
            if not advance(schedule, at, now=self._clock()):
                return

    def _publish(self, schedule: Schedule) -> None:
        """Tell AWS of a change whose writer did not."""
        schedule.change(now=self._clock())
        try:
            self._publisher.publish(schedule)
        except ScheduleRefused:
            log.exception("AWS refuses a schedule", extra={"schedule_id": schedule.id})
            refused: dict[str, Any] = {"state": PAUSED, "pause_note": REFUSED}
            schedule.change(now=self._clock(), is_holder=True, next_run_at=None, **refused)
            self._publisher.remove(schedule)

    def _take(self, message: Undelivered) -> None:
        """Record a message and delete it; one that cannot be recorded comes again."""
        try:
            self._note(message)
            self._undelivered.delete(message)
        except Exception:
            log.exception("a message of the dead-letter queue of runs is left there")

    def _note(self, message: Undelivered) -> None:
        try:
            schedule_id, at = _read(message)
        except (KeyError, ValueError, TypeError):
            log.exception("a message of the dead-letter queue of runs cannot be read")
            return
        schedule = Schedule.read(schedule_id)
        if schedule is None:
            return
        code = message.attributes.get("ERROR_CODE", "unknown")
        reason = _missed(f"EventBridge Scheduler could not deliver it: {code}")
        record(schedule, at, reason, now=self._clock())
        advance(schedule, at, now=self._clock())


def _missed(reason: str) -> NotMade:
    return NotMade(MISSED, NOT_DELIVERED, reason)


def _read(message: Undelivered) -> tuple[str, float]:
    """Return the schedule and the scheduled time of a message."""
    body = json.loads(message.body)
    at = message.attributes.get("SCHEDULED_TIME") or body["scheduled_at"]
    return str(body["schedule_id"]), datetime.fromisoformat(at).timestamp()

"""Runs: one set of jobs for each scheduled time, however often its message comes."""

import logging
from collections.abc import Callable
from typing import Any

from chalicelib.errors import (
    BudgetExhausted,
    ComfyUIUnavailable,
    DarkroomError,
    Forbidden,
    InvalidRequest,
    NotFound,
    Overloaded,
    TooManyRequests,
    Unauthenticated,
)
from chalicelib.models.schedules.run import MISSED, REFUSED, SKIPPED, Run, key_of
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.models.schedules.state import ENABLED, PAUSED
from chalicelib.services.schedules import run_metrics
from chalicelib.services.schedules.conditions import (
    Delivery,
    check_delay,
    check_overlap,
    check_state,
    has_failed_too_often,
)
from chalicelib.services.schedules.making import PAUSES, RunMaker, expected, planned
from chalicelib.services.schedules.timetables import next_run
from chalicelib.signals import ClaimRefused, NotMade, ScheduleChanged

log = logging.getLogger("darkroom.runs")

# Why a run is refused, by the error that a caller of `generate` would get.
_CODES: dict[type[DarkroomError], str] = {
    BudgetExhausted: "budget_exhausted",
    TooManyRequests: "limit_reached",
    Forbidden: "not_allowed",
    Unauthenticated: "key_invalid",
    InvalidRequest: "invalid_request",
    ComfyUIUnavailable: "comfyui_unavailable",
}


class Runs:
    """Handles the messages of EventBridge Scheduler."""

    def __init__(
        self, maker: RunMaker, clock: Callable[[], float], pause: Callable[[float], None]
    ) -> None:
        self._maker = maker
        self._clock = clock
        self._pause = pause

    def deliver(self, delivery: Delivery) -> None:
        """Make the jobs of a scheduled time, or record why there are none.

        A message may come twice, late, in any order, or after the schedule was deleted. Raise
        Overloaded or Unanswered if it must come again.
        """
        for pause in PAUSES:
            self._pause(pause)
            try:
                return self._deliver(delivery)
            except (ClaimRefused, ScheduleChanged):
                continue
        raise Overloaded("other writers changed the schedule each time")

    def _deliver(self, delivery: Delivery) -> None:
        try:
            schedule = Schedule.find(delivery.schedule_id)
        except NotFound:
            log.info(
                "a message is of a deleted schedule", extra={"schedule_id": delivery.schedule_id}
            )
            return
        run = Run.find(schedule.id, key_of(delivery.at))
        if run and not run.may_still_come:
            advance(schedule, delivery.at, now=self._clock())
            return
        try:
            self._make(schedule, delivery)
        except NotMade as reason:
            self._record(schedule, delivery.at, reason)

    def _make(self, schedule: Schedule, delivery: Delivery) -> None:
        check_state(schedule, delivery)
        check_delay(schedule, delivery)
        if schedule.state == ENABLED and has_failed_too_often(schedule):
            self._pause_schedule(schedule)
        check_overlap(schedule)
        try:
            jobs = self._maker.make(schedule, planned(delivery.at))
        except tuple(_CODES) as error:
            raise NotMade(REFUSED, _CODES[type(error)], str(error)) from error
        run_metrics.made(schedule, delivery, jobs)

    def _pause_schedule(self, schedule: Schedule) -> None:
        """Pause the schedule, of which the reconciler tells AWS, and raise NotMade."""
        note = f"paused, as the last {schedule.pause_after_failures:.0f} runs made no image"
        paused: dict[str, Any] = {"state": PAUSED, "pause_note": note, "next_run_at": None}
        schedule.change(now=self._clock(), seconds=0, **paused)
        log.warning("a schedule is paused: %s", note, extra={"schedule_id": schedule.id})
        raise NotMade(SKIPPED, "paused_after_failures", note)

    def _record(self, schedule: Schedule, at: float, reason: NotMade) -> None:
        record(schedule, at, reason, now=self._clock())
        advance(schedule, at, now=self._clock())


def record(schedule: Schedule, at: float, reason: NotMade, *, now: float) -> None:
    """Record that a scheduled time makes no jobs, unless it has a record."""
    known = {"reason_code": reason.code, "reason": str(reason)}
    started_at = None if reason.status == MISSED else now
    run = Run.new(schedule.id, key_of(at), reason.status, now=now, started_at=started_at, **known)
    if run.record():
        run_metrics.not_made(schedule, at, reason)


def advance(schedule: Schedule, at: float, *, now: float) -> bool:
    """Expect the run after a time that has a record; return whether that one was expected."""
    past = expected(schedule, at)
    if past is None:
        return False
    return schedule.advance(past=past, to=next_run(schedule, past), now=now)

"""When and why GPU instances will be stopped, by the reasons on which the Stopper acts."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.services.gpus.scaling import is_needed
from chalicelib.services.gpus.state import COMING, DRAINING
from chalicelib.services.gpus.stop_reasons import (
    BROKEN,
    FAILED,
    IDLE,
    OLD,
    REQUESTED,
    SILENT,
    UNPAID,
    StopReason,
)

if TYPE_CHECKING:
    from chalicelib.models.fleet.instance import InstanceRecord
    from chalicelib.services.billing.budget import Budget

_FACTS = {
    IDLE: "It has been idle",
    OLD: "It has been on",
    SILENT: "Its ComfyUI has not answered",
    BROKEN: "Its ComfyUI has been unhealthy",
}


class Candidate(NamedTuple):
    """An instance that is on and may be stopped, with the reasons for that."""

    record: InstanceRecord
    state: str
    reasons: list[StopReason]


class StopForecast(NamedTuple):
    """When an instance will be stopped, None if no time is foreseen, and a sentence about it."""

    at: float | None
    text: str


def forecast_stops(
    candidates: list[Candidate], budget: Budget, *, on: int, open_jobs: int, now: float
) -> dict[str, StopForecast]:
    """Return the forecast of each instance if no job comes, by its id; `on` instances are on.

    The Stopper looks at the instances every minute: it stops one up to a minute later, those whose
    time is over at its next look.
    """

    def next_at(each: Candidate) -> float:
        return max(_next(each.reasons, each.record, now)[1], now)

    forecasts: dict[str, StopForecast] = {}
    for each in sorted(candidates, key=next_at):
        # One that drains is in such a state again before it counts as idle.
        may_stay = is_needed(on=on + (each.state not in COMING), open_jobs=open_jobs)
        reasons = [one for one in each.reasons if not (one.spares_needed and may_stay)]
        forecast = _forecast(each, reasons, budget, now)
        forecasts[each.record.id] = forecast
        on -= forecast.at is not None and each.state in COMING
    return forecasts


def _forecast(
    candidate: Candidate, reasons: list[StopReason], budget: Budget, now: float
) -> StopForecast:
    record = candidate.record
    if not reasons:
        first, _ = _next(candidate.reasons, record, now)
        return StopForecast(None, f"{_fact(first, candidate, budget, now)}, but jobs need it")
    reason, at = _next(reasons, record, now)
    if record.slot_holders and reason.at > now and candidate.state == DRAINING:
        return StopForecast(None, f"It takes no more jobs, and has {_jobs(record)}")
    if record.slot_holders and reason.at > now and reason.kind == OLD:
        return StopForecast(None, f"It has {_jobs(record)}, and is not idle")
    text = _fact(reason, candidate, budget, now)
    if record.slot_holders and reason.jobs_seconds:
        ends = "until then, at most" if at < inf and reason.at <= now else "first"
        text = f"{text}; it makes {_jobs(record)} {ends}"
    return StopForecast(None if at == inf else at, text)


def _jobs(record: InstanceRecord) -> str:
    count = len(record.slot_holders)
    return "1 job" if count == 1 else f"{count} jobs"


def _next(
    reasons: list[StopReason], record: InstanceRecord, now: float
) -> tuple[StopReason, float]:
    """Return the reason for which an instance is stopped next, and when: infinity is not known.

    Jobs that have slots end before a time that is in the future, and are waited for after that.
    """
    first = min(reasons, key=lambda each: max(each.at, now))
    if first.at > now or not record.slot_holders:
        return first, first.at
    hasty = [each for each in reasons if not each.jobs_seconds]  # they wait for no job
    first = min(hasty, key=lambda each: each.at, default=first)
    return first, first.at_with_jobs


def _fact(reason: StopReason, candidate: Candidate, budget: Budget, now: float) -> str:
    """Return a sentence about a reason."""
    if reason.kind == REQUESTED:
        return "An administrator requested the stop"
    if reason.kind == UNPAID:
        why = budget.reason
        return f"By then {why}" if reason.at > now else f"{why[0].upper()}{why[1:]}"
    if reason.kind == FAILED:
        return f"Its boot has failed: {candidate.record.unhealthy_reason}"
    if reason.earliest > now:
        return "It takes no more jobs, as it is about to stop"
    fact = _FACTS.get(reason.kind, f"It has been {candidate.state}")
    seconds = max(now - reason.since, 0)
    return f"{fact} for {seconds:.0f} s; the limit is {reason.limit_seconds:g} s"

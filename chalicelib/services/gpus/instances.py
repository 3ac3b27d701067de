"""What administrators read about the GPU instances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from chalicelib.days import date_of, day_start
from chalicelib.models.catalogs import budget_mark
from chalicelib.models.fleet import stops
from chalicelib.models.fleet.instance import Description, InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs import queue
from chalicelib.models.usage import DayUsage, day_usage_of
from chalicelib.services.gpus.state import COMING, state_by_record
from chalicelib.services.gpus.status_texts import UNAVAILABLE
from chalicelib.services.gpus.stop_forecasts import Candidate, StopForecast, forecast_stops
from chalicelib.services.gpus.stop_reasons import StopLimits, StopReason, stop_reasons
from chalicelib.services.together import Together

if TYPE_CHECKING:
    from chalicelib.services.billing.budget import Budget
    from chalicelib.services.gpus.inventory import Inventory

_KEPT = StopForecast(None, "It is tagged to be kept: Darkroom does not stop it")


class InstanceReport(Struct, frozen=True):
    """An instance: since when it has its state, what is booked for it today, and when it stops.

    `since` is None if the reconciler has not seen the state yet, and `booked` at a fixed address.
    """

    record: InstanceRecord
    description: Description
    state: str
    since: float | None
    booked: dict[str, float] | None
    stop: StopForecast | None


class FleetReport(Struct, frozen=True):
    """All instances, and what holds for all of them; `cost` is what is booked today in dollars."""

    instances: list[InstanceReport]
    waiting_jobs: int
    held_until: float | None
    cost: float | None
    budget: float | None
    budget_ends_at: float | None


class Seen(NamedTuple):
    """An instance, its state, and what EC2 said of it."""

    record: InstanceRecord
    state: str
    description: Description


class Instances:
    """Reports on the instances; without `has_instances` ComfyUI has a fixed address."""

    def __init__(
        self,
        inventory: Inventory,
        budget: Budget,
        limits: StopLimits,
        together: Together,
        clock: Callable[[], float],
        *,
        has_instances: bool,
    ) -> None:
        self._inventory = inventory
        self._budget = budget
        self._limits = limits
        self._together = together
        self._clock = clock
        self._has_instances = has_instances

    def report(self) -> FleetReport:
        """Report on all instances as the reconciler last saw them, and write nothing.

        Neither EC2 nor a GPU is asked, unless there is no record of an instance yet.
        """
        now = self._clock()
        reads = (
            partial(StartSeries.read_with_records, now=now),
            queue.counted,
            budget_mark.read,
            partial(DayUsage.on, date_of(now)),
        )
        (series, records), waiting, mark, usage = self._together(reads)
        is_held, dollars = series.is_held(now), self._budget.dollars
        seen = self._seen(series, records, now)
        stopped = self._forecasts(seen, waiting, now, is_held=is_held)
        return FleetReport(
            instances=[self._report(each, stopped.get(each.record.id), now) for each in seen],
            waiting_jobs=waiting,
            held_until=float(series.held_until) if is_held else None,
            cost=usage.cost if self._has_instances else None,
            budget=dollars,
            budget_ends_at=mark.ends_today(dollars, now) if mark else None,
        )

    def _seen(self, series: StartSeries, records: list[InstanceRecord], now: float) -> list[Seen]:
        if not records or not self._has_instances:
            return [
                Seen(each.record, each.state if each.may_serve else UNAVAILABLE, each.description)
                for each in self._inventory.views()
            ]
        has_capacity = not series.failed
        return [
            Seen(each, state_by_record(each, now=now, has_capacity=has_capacity), each.description)
            for each in sorted(records, key=lambda record: str(record.id))
        ]

    def _forecasts(
        self, seen: list[Seen], waiting: int, now: float, *, is_held: bool
    ) -> dict[str, StopForecast]:
        """Return when and why each instance that is on is stopped, by its id."""
        if not self._has_instances:
            return {}
        on = [each for each in seen if each.record.on_since is not None]
        candidates = [
            Candidate(each.record, each.state, self._reasons(each, now, is_held=is_held))
            for each in on
            if not each.description.is_kept
        ]
        kept = {each.record.id: _KEPT for each in on if each.description.is_kept}
        return kept | forecast_stops(
            candidates,
            self._budget,
            on=sum(each.state in COMING for each in seen),
            open_jobs=waiting + sum(len(each.record.slot_holders) for each in seen),
            now=now,
        )

    def _reasons(self, seen: Seen, now: float, *, is_held: bool) -> list[StopReason]:
        ends_at = seen.record.budget_ends_at
        is_today = ends_at is not None and ends_at >= day_start(now)
        paid_until = float(ends_at) if is_today and self._budget.dollars is not None else inf
        return stop_reasons(
            seen.record, seen.state, self._limits, now=now, paid_until=paid_until, is_held=is_held
        )

    def _report(self, seen: Seen, stop: StopForecast | None, now: float) -> InstanceReport:
        record, state = seen.record, seen.state
        return InstanceReport(
            record,
            seen.description,
            state,
            since=_since(record, state, now),
            booked=day_usage_of(record, date_of(now)) if self._has_instances else None,
            stop=stop,
        )


def _since(record: InstanceRecord, state: str, now: float) -> float | None:
    """Return since when an instance has its state; None if that was seen before its last start."""
    since = stops.same_state_since(record, state, now=now)
    return None if since is None or since < (record.started_at or 0) else since

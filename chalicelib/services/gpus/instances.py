"""What administrators read about each GPU instance."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.days import date_of, day_start
from chalicelib.models.catalogs import budget_mark
from chalicelib.models.fleet import stops
from chalicelib.models.fleet.instance import Description, InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs import queue
from chalicelib.models.usage import BOOTING, BUSY, IDLE, KINDS, DayUsage, day_usage_of
from chalicelib.schemas.answers.gpus import Boot, BootStep, Hold, Instance, Instances, Today
from chalicelib.schemas.answers.usage import GpuSeconds
from chalicelib.schemas.times import timestamp
from chalicelib.services.gpus.state import COMING, state_by_record
from chalicelib.services.gpus.status_texts import UNAVAILABLE
from chalicelib.services.gpus.stop_forecasts import Candidate, StopForecast, forecast_stops
from chalicelib.services.gpus.stop_reasons import StopLimits, StopReason, stop_reasons
from chalicelib.services.together import Together

if TYPE_CHECKING:
    from chalicelib.models.catalogs.budget_mark import BudgetMark
    from chalicelib.services.billing.budget import Budget
    from chalicelib.services.gpus.inventory import Inventory

_KEPT = StopForecast(None, "It has the tag darkroom:keep: Darkroom does not stop it")


class Seen(NamedTuple):
    """An instance, its state, and what EC2 said of it."""

    record: InstanceRecord
    state: str
    description: Description


class InstanceList:
    """Lists the instances; without `has_instances` ComfyUI has a fixed address."""

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

    def read(self) -> Instances:
        """Return all instances as the reconciler last saw them, and write nothing.

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
        seen = self._seen(series, records, now)
        stopped = self._forecasts(seen, waiting, now, is_held=series.is_held(now))
        return Instances(
            instances=[self._instance(each, stopped, now) for each in seen],
            waiting_jobs=waiting,
            hold=Hold(until=timestamp(series.held_until)) if series.is_held(now) else None,
            today=self._today(usage, mark, now),
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

    def _instance(self, seen: Seen, stopped: dict[str, StopForecast], now: float) -> Instance:
        record, described = seen.record, seen.description
        booked = day_usage_of(record, date_of(now)) if self._has_instances else None
        stop = stopped.get(record.id)
        return Instance(
            id=record.id,
            instance_type=described.instance_type or None,
            zone=described.zone,
            state=seen.state,
            since=_time(stops.same_state_since(record, seen.state, now=now)),
            jobs=sorted(record.slot_holders),
            started_at=_time(record.started_at),
            on_since=_time(record.on_since),
            unhealthy_reason=record.unhealthy_reason,
            gpu_seconds=None if booked is None else _gpu_seconds(booked),
            cost=None if booked is None else _cost(booked),
            last_boot=_last_boot(record),
            stops_at=_time(stop.at) if stop else None,
            stop_reason=stop.text if stop else None,
        )

    def _today(self, usage: DayUsage, mark: BudgetMark | None, now: float) -> Today:
        ends_at = mark.ends_today(self._budget.dollars, now) if mark else None
        return Today(
            cost=round(usage.cost, 6) if self._has_instances else None,
            budget=self._budget.dollars,
            budget_ends_at=_time(ends_at),
        )


def _gpu_seconds(booked: dict[str, float]) -> GpuSeconds:
    def seconds(kind: str) -> float:
        return round(booked.get(f"{kind}_seconds", 0), 3)

    return GpuSeconds(booting=seconds(BOOTING), busy=seconds(BUSY), idle=seconds(IDLE))


def _cost(booked: dict[str, float]) -> float:
    return round(sum(booked.get(f"{kind}_cost", 0) for kind in KINDS), 6)


def _last_boot(record: InstanceRecord) -> Boot | None:
    if record.reported_start is None:
        return None
    steps = (record.boot_steps or {}).items()
    return Boot(
        started_at=timestamp(record.reported_start),
        failed=bool(record.boot_failed),
        steps=[BootStep(step=step, seconds=seconds) for step, seconds in steps],
    )


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else timestamp(float(seconds))

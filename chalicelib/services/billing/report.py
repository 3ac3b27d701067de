"""The usage report: GPU time and its cost in a period, by day, style or post."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.config import config
from chalicelib.errors import FleetUnreachable
from chalicelib.models.catalogs.catalog import began_at
from chalicelib.models.jobs.listing import accepted_between
from chalicelib.models.usage import DayUsage
from chalicelib.services.billing.periods import Period, day_of, today
from chalicelib.services.billing.prices import cost_of

if TYPE_CHECKING:
    from chalicelib.models.jobs.job import Job
    from chalicelib.services.gpus.fleet import Fleet

Key = str | int | None

DAY = "day"
_KEYS: dict[str, Callable[[Job], Key]] = {
    DAY: lambda job: day_of(job.id).isoformat(),
    "style": lambda job: None if job.style_id is None else int(job.style_id),
    "post": attrgetter("post_id"),
}
GROUPINGS = tuple(_KEYS)


class Report(Struct, frozen=True):
    """`always_on_cost` is the cost of one instance that was on for all of the period so far."""

    period: Period
    total: Spending
    always_on_cost: float | None
    groups: list[tuple[Key, Spending]]


class Usage:
    """Reports usage; without `has_instances` ComfyUI has a fixed address and no price."""

    def __init__(self, fleet: Fleet, clock: Callable[[], float], *, has_instances: bool) -> None:
        self._fleet = fleet
        self._clock = clock
        self._has_instances = has_instances

    def report(self, first: date | None, last: date | None, *, group_by: str) -> Report:
        """Return the report on a period; raise InvalidRequest if the period is invalid."""
        period = Period.between(first, last, today=today(self._clock()))
        jobs = _by_key(period, _KEYS[group_by])
        days = _by_day(period)
        total = sum(days.values(), Spending())
        for group in jobs.values():
            total.add_jobs(group)
        grouped = _with_jobs(days, jobs) if group_by == DAY else _with_standing(jobs, total)
        if not self._has_instances:
            for each in (total, *(spending for _, spending in grouped)):
                each.leave_unpriced()
        return Report(period, total, self._always_on_cost(period), grouped)

    def _always_on_cost(self, period: Period) -> float | None:
        """Return the cost of one instance of the preferred type that was never off."""
        if not self._has_instances:
            return None
        instance_type = next(iter(config.preferred_types), None) or self._first_type()
        began = today(began_at() or self._clock())
        seconds = period.seconds_until(self._clock(), since=began)
        return cost_of(instance_type, seconds) if instance_type else None

    def _first_type(self) -> str | None:
        try:
            return next((each.type for each in self._fleet.inventory.members()), None)
        except FleetUnreachable:
            return None


def _by_day(period: Period) -> dict[Key, Spending]:
    known = DayUsage.of(period.days)
    return {
        day.isoformat(): Spending.on(known[day]) if day in known else Spending()
        for day in period.days
    }


def _by_key(period: Period, key_of: Callable[[Job], Key]) -> dict[Key, Spending]:
    """Add up the images and executions of jobs by key, including failed jobs."""
    groups: dict[Key, Spending] = {}
    for job in accepted_between(*period.job_ids):
        group = groups.setdefault(key_of(job), Spending())
        group.images += int(job.image_count or 0)
        group.busy_seconds += float(job.gpu_seconds or 0)
        group.busy_cost = add(group.busy_cost, job.gpu_cost)
        if job.gpu_cost is None:
            group.unbooked_seconds += float(job.gpu_seconds or 0)
    return groups


def _with_jobs(days: dict[Key, Spending], jobs: dict[Key, Spending]) -> list[tuple[Key, Spending]]:
    for key, group in jobs.items():
        days[key].add_jobs(group)
    return list(days.items())


def _with_standing(groups: dict[Key, Spending], total: Spending) -> list[tuple[Key, Spending]]:
    """Split booting and idle time by how long each group had a GPU; most first."""
    busy_seconds = sum(group.busy_seconds for group in groups.values())
    for group in groups.values():
        if busy_seconds:
            group.take_share(group.busy_seconds / busy_seconds, total)
    return sorted(groups.items(), key=lambda item: (-item[1].busy_seconds, str(item[0])))


class Spending(Struct):
    """Sums in seconds and dollars; a cost of None is unknown.

    `unbooked_seconds` are those of `busy_seconds` that are in the books of no instance: executions
    on a ComfyUI with a fixed address.
    """

    images: int = 0
    booting_seconds: float = 0
    busy_seconds: float = 0
    idle_seconds: float = 0
    busy_cost: float | None = 0
    standing_cost: float = 0
    unbooked_seconds: float = 0

    @classmethod
    def on(cls, day: DayUsage) -> Spending:
        """Return what was booked on a day."""
        return cls(
            booting_seconds=float(day.booting_seconds),
            busy_seconds=float(day.busy_seconds),
            idle_seconds=float(day.idle_seconds),
            busy_cost=float(day.busy_cost),
            standing_cost=float(day.booting_cost + day.idle_cost),
        )

    @property
    def cost(self) -> float | None:
        """Total dollars; None if unknown."""
        return add(self.busy_cost, self.standing_cost)

    @property
    def cost_per_image(self) -> float | None:
        """Dollars; None if unknown, or without images."""
        return None if self.cost is None or not self.images else self.cost / self.images

    def add_jobs(self, jobs: Spending) -> None:
        """Add the images of jobs to what is booked, and those executions that are not booked."""
        self.images += jobs.images
        self.busy_seconds += jobs.unbooked_seconds
        if jobs.unbooked_seconds:
            self.busy_cost = None

    def leave_unpriced(self) -> None:
        """Make the cost unknown, unless time of an instance is booked, from before."""
        if not self.cost:
            self.busy_cost = None

    def take_share(self, share: float, total: Spending) -> None:
        """Take a share, from 0 to 1, of the booting and idle time and its cost."""
        self.booting_seconds = share * total.booting_seconds
        self.idle_seconds = share * total.idle_seconds
        self.standing_cost = share * total.standing_cost

    def __add__(self, other: Spending) -> Spending:
        return Spending(
            self.images + other.images,
            self.booting_seconds + other.booting_seconds,
            self.busy_seconds + other.busy_seconds,
            self.idle_seconds + other.idle_seconds,
            add(self.busy_cost, other.busy_cost),
            self.standing_cost + other.standing_cost,
        )


def add(one: float | None, other: float | None) -> float | None:
    """Add two costs; the sum is None if one of them is."""
    return None if one is None or other is None else one + other

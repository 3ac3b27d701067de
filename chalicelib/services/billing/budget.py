"""The daily budget: what the instances cost today, and when the budget is used up.

An instance costs the same whatever it does, so the instances that are on determine when the budget
is used up. Each has that time in its record, where the write that gives a job a slot checks it.
"""

from collections.abc import Callable, Iterable, Sequence
from math import inf

from msgspec import Struct

from chalicelib.days import date_of, day_end, day_start, seconds_to_next_day
from chalicelib.errors import BudgetExhausted
from chalicelib.models.catalogs import budget_mark
from chalicelib.models.catalogs.budget_mark import BudgetMark
from chalicelib.models.usage import DayUsage
from chalicelib.services.billing.prices import hourly_price
from chalicelib.services.gpus.inventory import InstanceView

_HOUR_SECONDS = 3600

# The reconciler runs every minute: an idle instance stays on for up to this long.
_LAST_IDLE_SECONDS = 60
_USUAL_BOOT_SECONDS = 120.0  # of an instance that has never booted
_LONGEST_BOOT_SECONDS = 600.0  # the first boot takes longer, but happens only once
_SAME_SECONDS = 1.0


class Forecast(Struct, frozen=True):
    """Dollars that are spent today, and when the budget is used up: infinity if not today.

    `is_noted` says that the budget is recorded as used up for the rest of the day.
    """

    spent: float
    ends_at: float
    now: float
    is_noted: bool = False

    @property
    def is_exhausted(self) -> bool:
        return self.ends_at <= self.now


class Budget:
    """Dollars that the GPU instances may cost in a UTC day; None means no limit.

    An instance may be started as any of `types`; if there are none, as its own type.
    """

    def __init__(
        self, dollars: float | None, types: Sequence[str], clock: Callable[[], float]
    ) -> None:
        self.dollars = dollars
        self._types = types
        self._clock = clock

    def forecast(self, views: Iterable[InstanceView], *, more: Sequence[str] = ()) -> Forecast:
        """Return the forecast if an instance of each type in `more` were started now."""
        now = self._clock()
        if self.dollars is None:
            return Forecast(0, inf, now)
        today = DayUsage.on(date_of(now))
        on = [each for each in views if each.is_on and each.instance.can_be_started]
        rates = {each.instance.id: _dollars_a_second(each.instance.type) for each in on}
        rate = sum(rates.values()) + sum(_dollars_a_second(each) for each in more)
        unbooked = sum(rates[each.instance.id] * _unbooked_seconds(each, now) for each in on)
        spent = today.cost + unbooked
        left = self.dollars - spent - rate * _LAST_IDLE_SECONDS
        is_noted = _is_exhausted(today, self.dollars)
        if left <= 0 or is_noted:
            return Forecast(spent, now, now, is_noted)
        ends_at = now + left / rate if rate else inf
        return Forecast(spent, ends_at if ends_at < day_end(now) else inf, now)

    def affordable(
        self, views: list[InstanceView], startable: Sequence[InstanceView], wanted: int
    ) -> int:
        """Return how many of the startable instances the budget pays for, up to `wanted`.

        It has to last until they have booted, each as the most expensive type. If none can start
        and none is on, the budget is recorded as used up for today.
        """
        forecast, count = None, min(wanted, len(startable))
        while count:
            forecast = self.forecast(views, more=[self._dearest(startable)] * count)
            if forecast.ends_at > forecast.now + _boot_seconds(startable):
                return count
            count -= 1
        if forecast and not any(each.is_on for each in views):
            self._exhaust(forecast)
        return 0

    def write_end_to_instances(self, views: list[InstanceView]) -> Forecast:
        """Write when the budget is used up into the records of the instances that are on."""
        forecast = self.forecast(views)
        for each in views:
            if each.is_on and not _knows(each, forecast):
                each.record.set_budget_end(None if forecast.ends_at == inf else forecast.ends_at)
        return forecast

    @property
    def reason(self) -> str:
        """Why no instance is started, for people."""
        return f"the daily budget of {self.dollars:g} dollars is used up until midnight UTC"

    def exhausted(self) -> BudgetExhausted:
        """Return the error for callers."""
        return BudgetExhausted(self.reason, retry_seconds=seconds_to_next_day(self._clock()))

    def publish_end(self, forecast: Forecast) -> None:
        """Store when the budget is used up, for the functions that accept requests."""
        if self.dollars is None:
            return
        known = budget_mark.read()
        if forecast.is_exhausted:
            self._exhaust(forecast)
        if forecast.is_exhausted and not _is_published(known, self.dollars, forecast.now):
            budget_mark.write(BudgetMark(forecast.now, self.dollars))
        if forecast.is_exhausted:
            return
        ends_at = 0.0 if forecast.ends_at == inf else forecast.ends_at
        before = known.ends_at if known and known.ends_at >= day_start(forecast.now) else 0
        if abs(ends_at - before) >= _SAME_SECONDS:
            budget_mark.write(BudgetMark(ends_at, self.dollars))

    def percent(self, forecast: Forecast) -> float:
        """Return the percentage of the budget that is spent, at least 100 if it is used up."""
        used = 100 * forecast.spent / self.dollars if self.dollars else 100.0
        return round(max(used, 100.0) if forecast.is_exhausted else used, 1)

    def _exhaust(self, forecast: Forecast) -> None:
        """Record the budget as used up for the forecast's day, unless it is raised later."""
        if self.dollars is not None and not forecast.is_noted:
            DayUsage.on(date_of(forecast.now)).exhaust(self.dollars)

    def _dearest(self, startable: Sequence[InstanceView]) -> str:
        types = self._types or [each.instance.type for each in startable]
        return max(types, key=_dollars_a_second)


def _dollars_a_second(instance_type: str) -> float:
    return (hourly_price(instance_type) or 0) / _HOUR_SECONDS


def _boot_seconds(startable: Sequence[InstanceView]) -> float:
    boots = [float(each.record.boot_seconds or _USUAL_BOOT_SECONDS) for each in startable]
    return min(max(boots), _LONGEST_BOOT_SECONDS)


def _is_exhausted(day: DayUsage, dollars: float) -> bool:
    return day.exhausted_budget is not None and day.exhausted_budget >= dollars


def _unbooked_seconds(view: InstanceView, now: float) -> float:
    record = view.record
    since = max(record.accounted_at or 0, record.on_since or now, day_start(now))
    return max(now - float(since), 0)


def _is_published(known: BudgetMark | None, dollars: float, now: float) -> bool:
    return known is not None and known.is_exhausted(dollars, now)


def _knows(view: InstanceView, forecast: Forecast) -> bool:
    """Return whether a record already has the end that the forecast has."""
    known = view.record.budget_ends_at
    if forecast.is_exhausted:
        return view.record.is_past_budget(forecast.now)
    if known is None or forecast.ends_at == inf:
        return bool(known is None and forecast.ends_at == inf)
    return abs(float(known) - forecast.ends_at) < _SAME_SECONDS

"""What the GPU instances did each day, and what it cost."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.update import Action

from chalicelib.config import config
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from chalicelib.models.table import Table, lost_race, transaction

BOOTING, BUSY, IDLE = KINDS = ("booting", "busy", "idle")

_DIGITS = 9  # as many as a booked cost has


class DayUsage(Table):
    """The time of all instances on one day in UTC, in seconds and dollars, in the jobs table.

    `starts` counts the starts of instances that were seen. `exhausted_budget` is the budget in
    dollars that was used up on this day, if any.
    """

    class Meta:
        table_name = config.jobs_table

    beside = Job

    id = UnicodeAttribute(hash_key=True)
    starts = NumberAttribute(default=0)
    booting_seconds = NumberAttribute(default=0)
    busy_seconds = NumberAttribute(default=0)
    idle_seconds = NumberAttribute(default=0)
    booting_cost = NumberAttribute(default=0)
    busy_cost = NumberAttribute(default=0)
    idle_cost = NumberAttribute(default=0)
    exhausted_budget = NumberAttribute(null=True)

    @classmethod
    def on(cls, day: date) -> "DayUsage":
        """Return the usage of a day, an empty one if nothing is booked on it."""
        try:
            return cls.get(_id(day), consistent_read=True)
        except cls.DoesNotExist:
            return cls(_id(day))

    @property
    def cost(self) -> float:
        """The dollars that are booked."""
        return float(self.booting_cost + self.busy_cost + self.idle_cost)

    def exhaust(self, dollars: float) -> None:
        """Note that a budget is used up, for the rest of the day."""
        self.update([DayUsage.exhausted_budget.set(dollars)])

    @classmethod
    def of(cls, days: Iterable[date]) -> "dict[date, DayUsage]":
        """Return the usage of those days on which something is booked."""
        ids = {_id(day): day for day in days}
        return {ids[found.id]: found for found in cls.batch_get(ids, consistent_read=True)}


def book(
    record: InstanceRecord,
    day: date,
    amounts: dict[str, float],
    *,
    now: float,
    execution_seconds: float,
) -> bool:
    """Book what an instance did until `now`; return False if another function has booked it.

    `amounts` have the names of DayUsage's attributes. `execution_seconds` is how many of the
    instance's execution seconds are accounted for then.
    """
    seen = InstanceRecord.accounted_at
    unchanged = (
        seen.does_not_exist() if record.accounted_at is None else seen == record.accounted_at
    )
    accounted = InstanceRecord.accounted_execution_seconds.set(execution_seconds)
    # The condition holds only if nothing was booked since the record was read.
    of_day = _added(day_usage_of(record, day), amounts) | {"day": day.isoformat()}
    booked: list[Action] = [seen.set(now), accounted, InstanceRecord.day_usage.set(of_day)]
    try:
        with transaction() as writes:
            writes.update(record, actions=booked, condition=unchanged)
            writes.update(DayUsage(_id(day)), actions=_additions(amounts))
    except TransactWriteError as error:
        if not lost_race(error):
            raise
        return False
    record.accounted_at, record.accounted_execution_seconds = now, execution_seconds
    record.day_usage = of_day
    return True


def day_usage_of(record: InstanceRecord, day: date) -> dict[str, float]:
    """Return what is booked for an instance on a day, by DayUsage's names; empty if nothing is."""
    known: dict[str, Any] = record.day_usage or {}
    if known.get("day") != day.isoformat():
        return {}
    return {name: amount for name, amount in known.items() if name != "day"}


def _added(before: dict[str, float], amounts: dict[str, float]) -> dict[str, Any]:
    names = {**before, **amounts}
    return {name: round(before.get(name, 0) + amounts.get(name, 0), _DIGITS) for name in names}


def _additions(amounts: dict[str, float]) -> list[Action]:
    return [getattr(DayUsage, name).add(amount) for name, amount in amounts.items()]


def _id(day: date) -> str:
    return f"usage:{day.isoformat()}"

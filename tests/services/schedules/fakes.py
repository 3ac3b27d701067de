"""Fakes of EventBridge Scheduler and its dead-letter queue, and schedules on a clock."""

from collections.abc import Iterator
from typing import Any

from msgspec import convert

from chalicelib.gateways.sqs import Undelivered
from chalicelib.models.keys.api_key import ApiKey
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.schemas.schedules import ScheduleRequest
from chalicelib.services.schedules.conditions import Delivery
from chalicelib.services.schedules.making import Repeat
from chalicelib.services.schedules.schedules import Author
from infra.keys import create
from tests.models.allowances import PLENTY, allowance_of
from tests.services.fakes import Clock, Parts


class FakeScheduler:
    """Keeps what it is told; while `error` is set, each call raises it instead."""

    def __init__(self, clock: Clock) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.created_at: dict[str, float] = {}
        self.error: BaseException | None = None
        self.calls = 0
        self._clock = clock

    def put(self, schedule_id: str, **fields: Any) -> None:
        self._called()
        self.entries[schedule_id] = fields
        self.created_at.setdefault(schedule_id, self._clock())

    def delete(self, schedule_id: str) -> None:
        self._called()
        self.entries.pop(schedule_id, None)

    def ids(self) -> Iterator[tuple[str, float]]:
        self._called()
        return iter([(each, self.created_at[each]) for each in self.entries])

    def _called(self) -> None:
        self.calls += 1
        if self.error:
            raise self.error


class FakeUndelivered:
    """Messages that EventBridge Scheduler could not deliver."""

    def __init__(self) -> None:
        self.messages: list[Undelivered] = []

    def receive(self) -> list[Undelivered]:
        return self.messages[:10]

    def delete(self, message: Undelivered) -> None:
        self.messages.remove(message)


class Scheduling(Parts):
    """The services of a function over fakes, with a key that writes schedules."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.aws = FakeScheduler(self.clock)
        self.gateways.scheduler = self.aws  # type: ignore[assignment]
        self.gateways.undelivered_runs = FakeUndelivered()  # type: ignore[assignment]
        self.key = ApiKey(create("writer").split("_")[1])
        self.author = Author(self.key.id, "writer", allowance_of(self.key.id, PLENTY))

    def create(self, **wanted: Any) -> Schedule:
        """Create a schedule, by default one of every five minutes."""
        return self.schedules.create(body(**wanted), self.author, Repeat())

    def replace(self, schedule: Schedule, **wanted: Any) -> Schedule:
        return self.schedules.replace(schedule.id, body(**wanted), self.author, owner=None)

    def deliver(self, schedule: Schedule, at: float, *, late: float = 0) -> None:
        """Handle the message of a scheduled time, which was sent some seconds late."""
        self.runs.deliver(Delivery(schedule.id, at, at + late))

    def look(self) -> None:
        """Do the reconciler's work on schedules."""
        self.schedule_watch.look()


def body(**wanted: Any) -> ScheduleRequest:
    """Return the body of a schedule, by default of every five minutes."""
    default = {"name": "a", "expression": "rate(5 minutes)", "prompts": ["x"]}
    return convert({**default, **wanted}, ScheduleRequest)


def read(schedule: Schedule) -> Schedule:
    """Return a schedule as it is stored."""
    stored = Schedule.read(schedule.id)
    assert stored
    return stored

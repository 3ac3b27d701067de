"""Fakes of the queue of runs, and of the one for what EventBridge Scheduler cannot deliver."""

import json
from dataclasses import dataclass, field
from typing import Any

from chalicelib.gateways.sqs import Undelivered
from chalicelib.models.schedules.run import key_of
from chalicelib.services.schedules.conditions import Delivery
from chalicelib.signals import QueueUnavailable
from tests.faults.aws import Queue
from tests.faults.scheduler import Scheduler

_PATIENCE_SECONDS = 8  # of the client in bootstrap.py: 4 s, twice
_INVISIBLE_SECONDS = 30


@dataclass(eq=False)
class RunMessage:
    """A message of EventBridge Scheduler; `fate` is what became of it."""

    schedule_id: str
    at: float
    sent_at: float
    visible_at: float
    receives: int = 0
    fate: str = "waits"

    @property
    def delivery(self) -> Delivery:
        return Delivery(self.schedule_id, self.at, self.sent_at)


class RunQueue(Queue):
    """The queue of runs; `all` has the messages that are gone, too."""

    visibility_seconds = 360.0

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler)
        self.messages: list[Any] = []
        self.all: list[RunMessage] = []

    def take(self, schedule_id: str, at: float) -> None:
        """Get a message of EventBridge Scheduler."""
        now = self._scheduler.now
        self._scheduler.note(f"AWS sends {schedule_id} {key_of(at)}")
        self._add(RunMessage(schedule_id, at, now, now))

    def new(self) -> list[RunMessage]:
        """Return the messages that no function has seen."""
        return [each for each in self.messages if not each.receives]

    def double(self, message: RunMessage) -> None:
        now = self._scheduler.now
        self._add(RunMessage(message.schedule_id, message.at, message.sent_at, now))

    def delay(self, message: RunMessage, seconds: float) -> None:
        """Let AWS send a message only later."""
        message.sent_at = message.visible_at = self._scheduler.now + seconds

    def remove(self, message: RunMessage, fate: str) -> None:
        message.fate = fate
        self.messages.remove(message)

    def receive(self, message: Any) -> None:
        super().receive(message)
        if message in self.dead:
            message.fate = "dead"

    def acknowledge(self, message: Any) -> None:
        super().acknowledge(message)
        message.fate = "handled"

    def _add(self, message: RunMessage) -> None:
        self.all.append(message)
        self.messages.append(message)


@dataclass
class UndeliveredQueue:
    """The interface of `UndeliveredRuns`."""

    scheduler: Scheduler
    messages: list[tuple[Undelivered, float]] = field(default_factory=list)

    def put(self, message: RunMessage) -> None:
        text = json.dumps({"schedule_id": message.schedule_id, "scheduled_at": key_of(message.at)})
        about = {"SCHEDULED_TIME": key_of(message.at), "ERROR_CODE": "AccessDenied"}
        receipt = f"{len(self.messages)} {text}"
        self.messages.append((Undelivered(receipt, text, about), self.scheduler.now))

    def receive(self) -> list[Undelivered]:
        return self.scheduler.call(
            "sqs receive undelivered",
            self._receive,
            lambda: QueueUnavailable("SQS returned no messages"),
            patience=_PATIENCE_SECONDS,
        )

    def delete(self, message: Undelivered) -> None:
        self.scheduler.call(
            "sqs delete undelivered",
            lambda: self._delete(message),
            lambda: QueueUnavailable("SQS did not delete a message"),
            patience=_PATIENCE_SECONDS,
        )

    def _receive(self) -> list[Undelivered]:
        now = self.scheduler.now
        visible = [each for each, visible_at in self.messages if visible_at <= now][:10]
        self.messages = [
            (each, now + _INVISIBLE_SECONDS if each in visible else visible_at)
            for each, visible_at in self.messages
        ]
        return visible

    def _delete(self, message: Undelivered) -> None:
        self.messages = [each for each in self.messages if each[0] != message]

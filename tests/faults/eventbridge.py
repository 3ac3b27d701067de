"""A fake of EventBridge Scheduler: schedules that send messages at their times."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from math import inf
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.services.schedules.next_runs import Timetable
from tests.faults.scheduler import Scheduler

_PATIENCE_SECONDS = 15  # of the client in bootstrap.py: 5 s, three times
_OLDEST_START_SECONDS = 300

# Called with the id of a schedule and a scheduled time.
Send = Callable[[str, float], None]
Fields = dict[str, Any]


class NotThere(ClientError):
    """The client's ResourceNotFoundException."""


@dataclass
class Entry:
    """A schedule as AWS has it; `next_at` is when it sends its next message."""

    fields: Fields
    created_at: float
    next_at: float = inf
    written_at: float = 0

    @property
    def is_enabled(self) -> bool:
        return bool(self.fields["State"] == "ENABLED")

    def after(self, moment: float) -> float:
        """Return its first time after a moment; infinity if there is none."""
        known = self.fields
        start_at, end_at = (_seconds(known.get(name)) for name in ("StartDate", "EndDate"))
        expression, zone = known["ScheduleExpression"], known["ScheduleExpressionTimezone"]
        if expression.startswith("rate") and start_at is None:
            start_at = moment + 1  # a rate without a start begins at once
        return next(iter(Timetable(expression, zone, start_at, end_at).after(moment, 1)), inf)

    @property
    def is_deleted_when_done(self) -> bool:
        return self.fields["ScheduleExpression"].startswith("at") or "EndDate" in self.fields


class Eventbridge:
    """The part of botocore's client that the gateway uses."""

    def __init__(self, scheduler: Scheduler, send: Send) -> None:
        self._scheduler = scheduler
        self._send = send
        self.entries: dict[str, Entry] = {}
        self._tokens: dict[str, str] = {}
        self.stops_at = inf
        self.refused = ""  # an expression that is not accepted
        self.exceptions = SimpleNamespace(ResourceNotFoundException=NotThere)

    def tick(self, now: float) -> None:
        """Send the messages of times that have come, until `stops_at`."""
        if now > self.stops_at:
            return
        for name, entry in list(self.entries.items()):
            while entry.is_enabled and entry.next_at <= now:
                self._send(name, float(int(entry.next_at)))
                entry.next_at = entry.after(entry.next_at)
                if entry.next_at == inf and entry.is_deleted_when_done:
                    del self.entries[name]

    def next_at(self) -> float:
        """Return when it sends a message next; infinity if it sends none."""
        times = (each.next_at for each in self.entries.values() if each.is_enabled)
        next_at = min(times, default=inf)
        return inf if next_at > self.stops_at else next_at

    def create_schedule(self, *, ClientToken: str, **fields: Any) -> None:  # noqa: N803
        name = fields["Name"]

        def create() -> None:
            if name not in self.entries:
                self._tokens[name] = ClientToken
                self._put(name, fields)
            elif self._tokens[name] != ClientToken:
                raise _error("ConflictException", "CreateSchedule")

        self._call(f"create {name}", create)

    def update_schedule(self, **fields: Any) -> None:
        name = fields["Name"]

        def update() -> None:
            self._known(name, "UpdateSchedule")
            self._put(name, fields)

        self._call(f"update {name}", update)

    def delete_schedule(self, *, Name: str, GroupName: str) -> None:  # noqa: N803
        def delete() -> None:
            self._known(Name, "DeleteSchedule")
            del self.entries[Name]

        self._call(f"delete {Name}", delete)

    def get_paginator(self, operation: str) -> "Eventbridge":
        return self

    def paginate(self, *, GroupName: str) -> Iterator[Fields]:  # noqa: N803
        listed: list[Fields] = []
        self._call("list", lambda: listed.extend(map(_row, self.entries.items())))
        yield {"Schedules": listed}

    def _put(self, name: str, fields: Fields) -> None:
        if fields["ScheduleExpression"] == self.refused:
            raise _error("ValidationException", "the ScheduleExpression is wrong")
        now, start_at = self._scheduler.now, _seconds(fields.get("StartDate"))
        if start_at is not None and start_at < now - _OLDEST_START_SECONDS:
            raise _error("ValidationException", "the StartDate is too early")
        known = self.entries.get(name)
        entry = Entry(fields, known.created_at if known else now)
        entry.next_at, entry.written_at = entry.after(now), now
        self.entries[name] = entry

    def _known(self, name: str, operation: str) -> None:
        if name not in self.entries:
            raise _error("ResourceNotFoundException", operation, NotThere)

    def _call(self, what: str, effect: Callable[[], None]) -> None:
        def lose_answer() -> None:
            with suppress(ClientError):
                effect()

        self._scheduler.call(
            f"eventbridge {what}",
            effect,
            lambda: ReadTimeoutError(endpoint_url="https://scheduler"),
            patience=_PATIENCE_SECONDS,
            repeated=lose_answer,
        )


def _row(known: tuple[str, Entry]) -> Fields:
    name, entry = known
    return {"Name": name, "CreationDate": SimpleNamespace(timestamp=lambda: entry.created_at)}


def _seconds(date: datetime | None) -> float | None:
    return None if date is None else date.timestamp()


def _error(code: str, message: str, kind: type[ClientError] = ClientError) -> ClientError:
    return kind({"Error": {"Code": code, "Message": message}}, "a call")

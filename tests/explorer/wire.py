"""The connection to DynamoDB, on which indexes show a write late if an order says so."""

from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any

from botocore.exceptions import ClientError

from tests.explorer.conditions import site, writes
from tests.faults.dynamodb import Answer, Wire
from tests.faults.scheduler import Call, Process, Scheduler
from tests.virtual.dynamodb import READS, ask, key_names
from tests.virtual.memory import Memory

LATE_COPY = "a late copy of "  # begins the name of the process that makes one
LAG_SECONDS = 3.0
_LATE_SECONDS = 6.0  # until the copy of a write that was sent again comes
_STANDS_SECONDS = 35.0  # longer than all leases
_WITHOUT_INDEXES = ("fleet", "keys", "runs", "catalog")


class ExploredWire(Wire):
    """`has_written` is set by each write."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler)
        self.memory = Memory(scheduler.clock, lambda: self._lag_seconds)
        self.has_written = True
        self._lag_seconds = 0.0
        self.forgets = ""  # the function whose writes are not made
        self.alter: Callable[[dict[str, Any]], dict[str, Any]] = lambda parameters: parameters

    def _make_api_call(
        self, operation: str, parameters: dict[str, Any], *, repeats: bool = True
    ) -> Answer:
        if operation not in READS:
            if self.forgets and site() == self.forgets:
                return self._unwritten(parameters)
            parameters = self.alter(parameters)
        return super()._make_api_call(operation, parameters, repeats=repeats)

    def _unwritten(self, parameters: dict[str, Any]) -> Answer:
        """Return the answer to a write that is not made."""
        if "TransactItems" in parameters:
            return {}
        names = key_names(parameters["TableName"])
        key = parameters.get("Key") or {name: parameters["Item"][name] for name in names}
        found = ask("GetItem", {"TableName": parameters["TableName"], "Key": key})
        return {"Attributes": found.get("Item", key)}

    def _answer(self, operation: str, parameters: dict[str, Any], key: str) -> Answer:
        if operation in READS:
            return ask(operation, parameters)
        answer = self._write(operation, parameters)
        self.has_written = True
        self.on_write(operation, parameters)
        return answer

    def _about(self, operation: str, parameters: dict[str, Any]) -> Call:
        has_condition = any("ConditionExpression" in each for each in writes(parameters))
        return Call(
            is_read=operation in READS,
            stands_seconds=_STANDS_SECONDS,
            site=site() if has_condition else "",
        )

    def _late(
        self, parameters: dict[str, Any], answer: Callable[[], Answer]
    ) -> Callable[[], Answer] | None:
        if "TransactItems" in parameters:  # its token lets it happen once
            return None

        def copy() -> None:
            self._scheduler.pause(_LATE_SECONDS)
            with suppress(ClientError):
                answer()

        def write() -> Answer:
            running = self._scheduler.running
            name = f"{LATE_COPY}{running.group.main.name if running else ''}"
            self._scheduler.spawn(Process(self._scheduler, name, copy, killed_at=inf))
            return answer()

        return write

    def _lagged(
        self, parameters: dict[str, Any], answer: Callable[[], Answer]
    ) -> Callable[[], Answer] | None:
        if parameters.get("TableName") in _WITHOUT_INDEXES:
            return None

        def lag() -> Answer:
            self._lag_seconds = LAG_SECONDS
            try:
                return answer()
            finally:
                self._lag_seconds = 0.0

        return lag

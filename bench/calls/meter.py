"""Counts AWS calls through botocore's events."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bench.calls.capacity import Writes, read_units
from tests.infra.recording import TABLES, Listener
from tests.virtual.dynamodb import READS


@dataclass
class Call:
    """A call of AWS, its times and its capacity units."""

    function: str
    name: str
    began: float
    ended: float = 0.0
    read: float = 0.0
    written: float = 0.0
    writes: Writes | None = None
    params: dict[str, Any] = field(default_factory=dict)


class Meter(Listener):
    """Records each call."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[Call] = []

    def take(self) -> list[Call]:
        """Return the calls since the last `take`."""
        calls, self._calls = self._calls, []
        return calls

    def _listen(self, session: Any) -> None:
        session.register("provide-client-params", self._begin)
        session.register("after-call", self._end)

    def _begin(self, params: dict[str, Any], model: Any, context: Any, **_: Any) -> None:
        service, operation = model.service_model.service_name, model.name
        if not self.functions or (service, operation) == ("s3", "GetObject"):
            return  # signing a link calls nothing
        call = Call(self.functions[-1], _named(service, operation, params), time.perf_counter())
        if service == "dynamodb":
            call.params, call.writes = params, Writes(operation, params)
        # Images are stored through a signed link, of which botocore sees no answer.
        call.ended = call.began
        context["call"] = call
        self._calls.append(call)

    def _end(self, parsed: dict[str, Any], model: Any, context: Any, **_: Any) -> None:
        call: Call | None = context.pop("call", None)
        if call is None:
            return
        call.ended = time.perf_counter()
        if call.writes and model.name in READS:
            call.read = read_units(model.name, call.params, parsed)
        elif call.writes:
            call.written = call.writes.units()


def _named(service: str, operation: str, params: dict[str, Any]) -> str:
    if service != "dynamodb":
        return f"{service} {operation}"
    where = params.get("IndexName") or TABLES.get(params.get("TableName", ""), "")
    return f"{operation} {where}".strip()


def depth(calls: list[Call]) -> int:
    """Return the number of round trips in sequence: the longest chain without overlap."""
    count, free_at = 0, 0.0
    for call in sorted(calls, key=lambda each: each.ended):
        if call.began >= free_at:
            count, free_at = count + 1, call.ended
    return count


def summary(calls: list[Call]) -> dict[str, Any]:
    """Return what an operation cost."""
    own = [call for call in calls if call.function != "Authorizer"]
    dynamodb = [call for call in own if call.writes]
    return {
        "dynamodb_calls": len(dynamodb),
        "other_calls": len(own) - len(dynamodb),
        "authorizer_calls": len(calls) - len(own),
        "round_trips": depth(calls),
        "read_units": sum(call.read for call in calls),
        "write_units": sum(call.written for call in calls),
        "calls": dict(Counter(call.name for call in own)),
    }

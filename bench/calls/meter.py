"""Counts AWS calls through botocore's events, and requests of signed links where they are sent."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import requests
from requests.adapters import HTTPAdapter

from bench.calls.capacity import Writes, read_units
from bench.calls.paths import Path, Paths
from bench.latencies import Latencies
from tests.infra.recording import TABLES, Listener
from tests.virtual.dynamodb import READS


@dataclass
class Call:
    """A call of AWS and its capacity units."""

    function: str
    name: str
    read: float = 0.0
    written: float = 0.0
    writes: Writes | None = None
    params: dict[str, Any] = field(default_factory=dict)


class Taken(NamedTuple):
    """Calls, and what the thread that took them has waited for."""

    calls: list[Call]
    path: Path


class Meter(Listener):
    """Records each call, and follows all threads, until its end."""

    def __init__(self, latencies: Latencies) -> None:
        super().__init__()
        self._latencies = latencies
        self._calls: list[Call] = []
        self._paths = Paths()
        self._followed = ExitStack()
        self._followed.enter_context(self._paths.followed())

    def end(self) -> None:
        super().end()
        self._followed.close()

    def take(self) -> Taken:
        """Return the calls since the last `take`, and what this thread waited for since then."""
        taken = Taken(self._calls, self._paths.current())
        self._calls = []
        self._paths.begin()
        return taken

    def mount(self, http: requests.Session) -> None:
        """Record the session's requests over HTTPS, too: those of signed links."""
        http.mount("https://", _Adapter(self))

    def record(self, service: str, operation: str, params: dict[str, Any]) -> Call:
        """Record a call of the current thread, which is about to begin."""
        call = Call(self.functions[-1], _named(service, operation, params))
        if service == "dynamodb":
            call.params, call.writes = params, Writes(operation, params)
        self._calls.append(call)
        self._paths.add(self._latencies.of(service, operation))
        return call

    def _listen(self, session: Any) -> None:
        session.register("provide-client-params", self._begin)
        session.register("after-call", self._end)

    def _begin(self, params: dict[str, Any], model: Any, context: Any, **_: Any) -> None:
        if self.functions and not context.get("is_presign_request"):
            context["call"] = self.record(model.service_model.service_name, model.name, params)

    def _end(self, parsed: dict[str, Any], model: Any, context: Any, **_: Any) -> None:
        call: Call | None = context.pop("call", None)
        if call is None or not call.writes:
            return
        if model.name in READS:
            call.read = read_units(model.name, call.params, parsed)
        else:
            call.written = call.writes.units()


class _Adapter(HTTPAdapter):
    """Records the requests of signed links to S3."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._meter = meter

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
        if self._meter.functions:
            self._meter.record("s3", "PutObject" if request.method == "PUT" else "GetObject", {})
        return super().send(request, *args, **options)


def _named(service: str, operation: str, params: dict[str, Any]) -> str:
    if service != "dynamodb":
        return f"{service} {operation}"
    where = params.get("IndexName") or TABLES.get(params.get("TableName", ""), "")
    return f"{operation} {where}".strip()


def summary(taken: Taken) -> dict[str, Any]:
    """Return what an operation cost."""
    own = [call for call in taken.calls if call.function != "Authorizer"]
    dynamodb = [call for call in own if call.writes]
    return {
        "dynamodb_calls": len(dynamodb),
        "other_calls": len(own) - len(dynamodb),
        "authorizer_calls": len(taken.calls) - len(own),
        "round_trips": taken.path.round_trips,
        "waited_ms": round(taken.path.milliseconds, 1),
        "read_units": sum(call.read for call in taken.calls),
        "write_units": sum(call.written for call in taken.calls),
        "calls": dict(Counter(_marked(call) for call in taken.calls)),
    }


def _marked(call: Call) -> str:
    return f"authorizer: {call.name}" if call.function == "Authorizer" else call.name

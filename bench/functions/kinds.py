"""The functions, and a typical event of each kind."""

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from bench.deployed import Deployed
from bench.functions.process import Calls, Event
from tests.api.gateway import event_of

GENERATE = {"prompt": "a lighthouse", "width": 64, "height": 64, "steps": 1}
LATER = {"Prefer": "respond-async"}


class Kind(Struct, frozen=True):
    """A function, by its name in the template, and an event that it may get."""

    function: str
    handler: str
    event: Event
    milliseconds: int = 29_000

    def calls(self, count: int) -> Calls:
        module, _, name = self.handler.rpartition(".")
        init = f"from {module} import {name} as entry"
        return Calls(init, [(self.event, self.milliseconds)] * count)


def kinds(deployed: Deployed, job_id: str) -> dict[str, Kind]:
    """Return the kinds of events, in an order in which none leaves work to the next."""
    return {
        "authorizer": Kind("Authorizer", "chalicelib.api.authorizer.authorize", _token(deployed)),
        "catalog": _request("GET", "/api/images/styles"),
        "job": _request("GET", f"/api/images/jobs/{job_id}", "/api/images/jobs/{job_id}"),
        "jobs": _request("GET", "/api/images/jobs"),
        "generate": _request("POST", "/api/images/generate", body=GENERATE),
        "generate_async": _request("POST", "/api/images/generate", body=GENERATE, headers=LATER),
        "worker": Kind("Worker", "app.work", _messages(f"{deployed.gpu} check")),
        "runs": Kind("Runs", "app.run", _messages(json.dumps(_RUN))),
        "reconciler": Kind("Reconciler", "app.reconcile", _event({})),
        "reclaim": Kind("Reclaim", "app.reclaim", _event({"instance-id": "i-00000000000000000"})),
    }


_RUN = {"schedule_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "scheduled_at": "2026-11-30T12:00:00Z"}


def _request(
    method: str,
    path: str,
    resource: str = "",
    *,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Kind:
    event = event_of(method, path, resource or path, json.dumps(body) if body else None)
    for name, value in (headers or {}).items():
        event["headers"][name] = value
        event["multiValueHeaders"][name] = [value]
    if resource:
        event["pathParameters"] = {"job_id": path.rpartition("/")[2]}
    return Kind("APIHandler", "app.app", event)


def _token(deployed: Deployed) -> Event:
    arn = "arn:aws:execute-api:us-east-1:000000000000:api/live/GET/api/images/styles"
    token = deployed.api.headers["Authorization"]
    return {"type": "TOKEN", "methodArn": arn, "authorizationToken": token}


def _messages(body: str) -> Event:
    record = {"messageId": "m", "body": body, "receiptHandle": "r"}
    return {"Records": [{**record, "attributes": {"SentTimestamp": "1795000000000"}}]}


def _event(detail: dict[str, Any]) -> Event:
    names = ("version", "account", "region", "detail-type", "source", "time", "id")
    return {**dict.fromkeys(names, ""), "resources": [], "detail": detail}

"""Schedules as callers write them, and the messages that EventBridge Scheduler sends for them."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import boto3
from chalice.test import HTTPResponse, TestHTTPClient

import app
from chalicelib.models.schedules.run import key_of
from chalicelib.models.schedules.schedule import Schedule
from tests.api.calls import send

SCHEDULES = "/api/images/schedules"
CARD = {
    "name": "morning card",
    "expression": "cron(0 7 * * ? *)",
    "timezone": "Europe/Berlin",
    "request": {"prompt": "a card for {weekday}", "width": 512, "height": 512},
    "seed_policy": "increasing",
}


def create(http: TestHTTPClient, **wanted: Any) -> dict[str, Any]:
    """Create a schedule and return it."""
    response = send(http, "POST", SCHEDULES, {**CARD, **wanted})
    assert response.status_code == 201, response.body
    created: dict[str, Any] = response.json_body
    return created


def act(http: TestHTTPClient, schedule: dict[str, Any], verb: str, body: object = None) -> Any:
    """Pause, resume or run a schedule; return the response."""
    return send(http, "POST", f"{SCHEDULES}/{schedule['id']}/{verb}", body)


def read(http: TestHTTPClient, schedule: dict[str, Any]) -> dict[str, Any]:
    response = http.get(f"{SCHEDULES}/{schedule['id']}")
    assert response.status_code == 200, response.body
    found: dict[str, Any] = response.json_body
    return found


def runs(http: TestHTTPClient, schedule: dict[str, Any]) -> list[dict[str, Any]]:
    response = http.get(f"{SCHEDULES}/{schedule['id']}/runs")
    assert response.status_code == 200, response.body
    found: list[dict[str, Any]] = response.json_body
    return found


def written_long_ago(schedule: dict[str, Any]) -> None:
    """Change a schedule as if it had been written a year ago, so that past times count."""
    year_ago = time.time() - 365 * 86_400
    write = [Schedule.written_at.set(year_ago), Schedule.synced_at.set(year_ago)]
    Schedule(schedule["id"]).update(write)


def fire(schedule: dict[str, Any], at: float | None = None, *, sent_at: float | None = None) -> Any:
    """Deliver the message of a scheduled time, by default of the last whole minute."""
    at = time.time() // 60 * 60 if at is None else at
    body = {"schedule_id": schedule["id"], "scheduled_at": key_of(at)}
    attributes = {"SentTimestamp": str(int((at if sent_at is None else sent_at) * 1000))}
    record = {"messageId": "m", "body": json.dumps(body), "attributes": attributes}
    answer = app.run({"Records": [{**record, "receiptHandle": "r"}]}, None)
    assert answer == {"batchItemFailures": []}
    return answer


def in_aws(schedule: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schedule as EventBridge Scheduler has it, None if it has none."""
    scheduler = boto3.client("scheduler")
    try:
        found: dict[str, Any] = scheduler.get_schedule(GroupName="schedules", Name=schedule["id"])
    except scheduler.exceptions.ResourceNotFoundException:
        return None
    return found


def time_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def error_of(response: HTTPResponse) -> dict[str, str]:
    details: dict[str, str] = response.json_body["details"]
    return details

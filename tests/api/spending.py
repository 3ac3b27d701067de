"""Usage as the tests make and read it."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from chalice.test import TestHTTPClient
from ulid import ULID

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import Attempt
from chalicelib.models.jobs.job import Job
from chalicelib.services.billing.booking import account
from chalicelib.services.billing.prices import cost_of

USAGE = "/api/images/usage"
NOTHING = {
    "images": 0,
    "gpu_seconds": {"booting": 0, "busy": 0, "idle": 0},
    "cost": None,
    "cost_per_image": None,
}


def today() -> date:
    return datetime.now(UTC).date()


def read(http: TestHTTPClient, query: str = "") -> dict[str, Any]:
    response = http.get(f"{USAGE}?{query}" if query else USAGE)
    assert response.status_code == 200, response.body
    found: dict[str, Any] = response.json_body
    return found


def groups(http: TestHTTPClient, query: str) -> dict[Any, dict[str, Any]]:
    """Return the groups by their keys, without those that have no usage."""
    found = {each.pop("key"): each for each in read(http, query)["groups"]}
    return {key: each for key, each in found.items() if each != NOTHING}


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def store_job(
    day: date, seconds: float, *, images: int = 1, cost: float | None = 0.01, **known: Any
) -> None:
    """Store a job whose attempt took the given seconds on a GPU."""
    attempt = Attempt(
        id="a",
        instance_id="i-1",
        started_at=0,
        reason="first",
        execution_seconds=seconds,
        cost=cost,
    )
    job = Job.new(str(ULID.from_datetime(noon(day))), now=0, parameters={}, due_at=0, **known)
    job.attempts, job.image_count = [attempt], images
    job.note_execution(seconds, cost)
    job.save()


def book_instance(
    day: date, *, booting: int, busy: int, idle: int, type_: str = "g5.xlarge"
) -> None:
    """Book the time of an instance, in steps shorter than the gap after which it counts as off."""
    now = noon(day).timestamp()
    instance: Any = SimpleNamespace(id="i-1", type=type_)
    for seconds, is_ready in ((0, False), (booting, False), (busy + idle, True)):
        now += seconds
        if is_ready:
            InstanceRecord("i-1").acquire_slot("job", now=0)
            InstanceRecord.read("i-1").release_slot("job", spent_seconds=busy)
        record = InstanceRecord.read("i-1")
        account(instance, record, until=now, is_ready=is_ready)


def price(seconds: float) -> float:
    return pytest.approx(cost_of("g5.xlarge", seconds), abs=2e-6)  # type: ignore[return-value]


def check_new(found: dict[str, Any], cost: int | None) -> None:
    """Check the usage of a new deployment: the last thirty days, and nothing on any of them."""
    assert (found["from"], found["to"]) == (str(today() - timedelta(days=29)), str(today()))
    assert found["group_by"] == "day"
    nothing = {**NOTHING, "cost": cost}
    assert found["total"] == nothing
    days = [str(today() - timedelta(days=ago)) for ago in range(29, -1, -1)]
    assert found["groups"] == [{"key": day, **nothing} for day in days]

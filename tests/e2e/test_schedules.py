"""Schedules on the deployed stack: EventBridge Scheduler, SQS, the function for runs, a worker."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from local.stack.processes import wait_until
from tests.e2e.conftest import Stack

SCHEDULES = "/api/images/schedules"
ZONE = ZoneInfo("Asia/Kolkata")
SMALL = {"prompt": "run {run} on {date}", "width": 64, "height": 64, "steps": 1}


def created(stack: Stack, *, seconds: int, **wanted: Any) -> dict[str, Any]:
    """Create a schedule that runs once, some seconds from now."""
    at = datetime.now(ZONE) + timedelta(seconds=seconds)
    body = {"name": "once", "timezone": ZONE.key, "request": SMALL, **wanted}
    body.setdefault("expression", f"at({at:%Y-%m-%dT%H:%M:%S})")
    answer = stack.call("POST", SCHEDULES, json=body)
    assert answer.status_code == 201, answer.text
    schedule: dict[str, Any] = answer.json()
    return schedule


def read(stack: Stack, schedule: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = stack.call("GET", f"{SCHEDULES}/{schedule['id']}").json()
    return found


def test_a_schedule_fires_generates_and_shows_its_run(stack: Stack) -> None:
    stack.call("GET", SCHEDULES)  # starts the function, which may take seconds
    schedule, idle = (created(stack, seconds=10) for _ in range(2))
    stack.call("POST", f"{SCHEDULES}/{idle['id']}/pause", json={"note": "not today"})
    wait_until(lambda: read(stack, schedule)["last_runs"], "the run", seconds=60)
    [run] = read(stack, schedule)["last_runs"]
    assert (run["status"], run["number"], run["reason"]) == ("made", 1, None)
    assert datetime.fromisoformat(run["scheduled_at"]) == datetime.fromisoformat(
        schedule["next_runs"][0]
    )
    [job_id] = run["job_ids"]
    job = stack.finished(f"/api/images/jobs/{job_id}")
    assert job["status"] == "succeeded", job
    today = datetime.now(ZONE).date().isoformat()
    assert job["metadata"]["prompt"] == f"run 1 on {today}"
    assert (job["schedule_id"], job["scheduled_at"]) == (schedule["id"], run["scheduled_at"])
    provenance = stack.call("GET", f"/api/images/files/{job_id}-0/provenance").json()
    assert provenance["schedule_id"] == schedule["id"]
    listed = stack.call("GET", f"/api/images/jobs?schedule_id={schedule['id']}").json()
    assert [each["id"] for each in listed] == [job_id]
    assert read(stack, schedule)["state"] == "completed"
    assert read(stack, idle)["last_runs"] == []
    assert stack.call("DELETE", f"{SCHEDULES}/{idle['id']}").status_code == 200


def test_a_run_can_be_made_now(stack: Stack) -> None:
    schedule = created(stack, seconds=0, expression="cron(0 7 1 1 ? *)")
    answer = stack.call("POST", f"{SCHEDULES}/{schedule['id']}/run")
    assert (answer.status_code, answer.json()["status"]) == (201, "made")
    [job_id] = answer.json()["job_ids"]
    assert stack.finished(f"/api/images/jobs/{job_id}")["status"] == "succeeded"
    assert read(stack, schedule)["last_runs"] == [answer.json()]


def test_what_is_deleted_leaves_nothing_in_aws(stack: Stack) -> None:
    scheduler = stack.emulator.client("scheduler")
    schedule = created(stack, seconds=0, expression="rate(1 day)")

    def names() -> list[str]:
        return [each["Name"] for each in scheduler.list_schedules()["Schedules"]]

    assert schedule["id"] in names()
    stack.call("DELETE", f"{SCHEDULES}/{schedule['id']}")
    assert schedule["id"] not in names()

"""Runs: what the function for runs makes of the messages of EventBridge Scheduler."""

import time
from typing import Any, cast

import pytest
from chalice import Chalice
from chalice.test import Client, TestHTTPClient

import app
from chalicelib.models.jobs.job import Job
from chalicelib.models.keys.api_key import ApiKey
from chalicelib.models.schedules.run import Run
from chalicelib.models.schedules.schedule import Content, Schedule, content_id
from tests.api.calls import all_items, send
from tests.api.contract import check_error
from tests.api.gateway import Gateway
from tests.api.keyed import keyed
from tests.api.scheduling import (
    CARD,
    SCHEDULES,
    act,
    create,
    fire,
    iso,
    read,
    runs,
    time_of,
    written_long_ago,
)

HOUR = 3600
SMALL = {"prompt": "x", "width": 64, "height": 64}

pytestmark = pytest.mark.usefixtures("comfyui")


def last_minute() -> float:
    return time.time() // 60 * 60


@pytest.fixture
def schedule(http: TestHTTPClient) -> dict[str, Any]:
    """A schedule that was written long ago."""
    made = create(http, expression="rate(1 minute)", request=SMALL)
    written_long_ago(made)
    return made


def written(http: TestHTTPClient, **wanted: Any) -> dict[str, Any]:
    made = create(http, **{"expression": "rate(1 minute)", "request": SMALL, **wanted})
    written_long_ago(made)
    return made


def jobs_of(http: TestHTTPClient, made: dict[str, Any]) -> list[dict[str, Any]]:
    return all_items(http, f"/api/images/jobs?schedule_id={made['id']}&limit=2")


def end(job_id: str, *, status: str) -> None:
    """End a job as if a driver had done it."""
    Job(job_id).update([Job.status.set(status), Job.finished_at.set(time.time())])


def only_key() -> ApiKey:
    [key] = ApiKey.scan()
    return key


def test_a_message_makes_a_job_which_shows_its_schedule(
    http: TestHTTPClient, schedule: dict[str, Any]
) -> None:
    at = last_minute()
    fire(schedule, at)
    [run] = runs(http, schedule)
    assert (run["status"], run["number"], run["reason"]) == ("made", 1, None)
    assert (time_of(run["scheduled_at"]), len(run["job_ids"])) == (at, 1)
    assert 0 <= time.time() - time_of(run["started_at"]) < 60
    [job] = jobs_of(http, schedule)
    assert job["id"] == run["job_ids"][0]
    assert (job["schedule_id"], job["scheduled_at"]) == (schedule["id"], run["scheduled_at"])
    assert read(http, schedule)["last_runs"] == [run]


def test_a_message_that_comes_twice_makes_its_jobs_once(
    http: TestHTTPClient, schedule: dict[str, Any]
) -> None:
    for _ in range(3):
        fire(schedule, last_minute())
    assert [run["number"] for run in runs(http, schedule)] == [1]
    assert len(jobs_of(http, schedule)) == 1


def test_messages_out_of_order_make_a_run_each(
    http: TestHTTPClient, schedule: dict[str, Any]
) -> None:
    at = last_minute()
    for earlier in (0, 120, 60):
        fire(schedule, at - earlier, sent_at=at - earlier)
    assert [run["number"] for run in runs(http, schedule)] == [1, 3, 2]


def test_runs_have_pages(http: TestHTTPClient, schedule: dict[str, Any]) -> None:
    at = last_minute() - 60  # not in the second of the run on request
    for index in range(5):
        fire(schedule, at - index * 60)
    act(http, schedule, "run")
    listed = all_items(http, f"{SCHEDULES}/{schedule['id']}/runs?limit=2")
    assert listed == runs(http, schedule)
    times = [time_of(run["scheduled_at"]) for run in listed]
    assert len(times) == 6
    assert times == sorted(times, reverse=True)
    check_error(http.get(f"{SCHEDULES}/{schedule['id']}/runs?cursor=QUJD"), 400, "cursor")


def test_prompts_take_turns_and_have_their_placeholders_replaced(http: TestHTTPClient) -> None:
    prompts = ["{run}: {weekday} {date} {time} {other} {}", "second"]
    made = written(http, prompts=prompts, timezone="Asia/Kolkata")
    at = time_of("2026-11-24T01:30:00Z")
    Schedule(made["id"]).update([Schedule.written_at.set(0), Schedule.synced_at.set(0)])
    for index in range(3):
        fire(made, at + index * 60)
    found = [job["metadata"]["prompt"] for job in jobs_of(http, made)]
    first = "1: Tuesday 2026-11-24 07:00 {other} {}"
    assert sorted(found) == sorted(
        [first, "second", first.replace("1:", "3:").replace("00 {", "02 {")]
    )


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("fixed", [7, 7]), ("increasing", [7, 8])],
)
def test_the_seed_policy_decides_the_seeds(
    http: TestHTTPClient, policy: str, expected: list[int]
) -> None:
    made = written(http, request={**SMALL, "seed": 7}, seed_policy=policy)
    for index in range(2):
        fire(made, last_minute() - index * 60)
    assert sorted(job["seed"] for job in jobs_of(http, made)) == expected


def test_increasing_seeds_without_a_seed_follow_each_other(http: TestHTTPClient) -> None:
    made = written(http, seed_policy="increasing")
    for index in range(3):
        fire(made, last_minute() - index * 60)
    first, second, third = sorted(job["seed"] for job in jobs_of(http, made))
    assert (second - first, third - second) == (1, 1)


def test_a_run_for_a_post_makes_its_count_of_images(http: TestHTTPClient) -> None:
    made = written(
        http, request={**SMALL, "post_id": "p", "count": 3, "seed": 1}, seed_policy="increasing"
    )
    for index in range(2):
        fire(made, last_minute() - index * 60)
    jobs = jobs_of(http, made)
    assert {job["post_id"] for job in jobs} == {"p"}
    assert sorted(job["seed"] for job in jobs) == [1, 2, 3, 4, 5, 6]


def test_a_run_that_aws_delivers_too_late_is_missed(
    http: TestHTTPClient, schedule: dict[str, Any]
) -> None:
    at = last_minute() - 2 * HOUR
    fire(schedule, at, sent_at=at + 60 + HOUR + 1)
    [run] = runs(http, schedule)
    assert (run["status"], run["reason"]["code"], run["job_ids"]) == ("missed", "late", [])
    assert (run["number"], run["started_at"]) == (None, None)


def test_a_message_that_waited_in_our_queue_is_not_late(
    http: TestHTTPClient, schedule: dict[str, Any]
) -> None:
    at = last_minute() - 2 * HOUR
    fire(schedule, at, sent_at=at + 60 + HOUR - 1)
    assert runs(http, schedule)[0]["status"] == "made"


def test_a_run_is_skipped_while_jobs_of_the_last_one_are_open(http: TestHTTPClient) -> None:
    made = written(http, overlap="skip")
    at = last_minute()
    fire(made, at - 120)
    fire(made, at - 60)
    assert [run["status"] for run in runs(http, made)] == ["skipped", "made"]
    assert runs(http, made)[0]["reason"]["code"] == "overlap"
    check_error(act(http, made, "run"), 409)
    end(jobs_of(http, made)[0]["id"], status="failed")
    fire(made, at)
    assert [run["number"] for run in runs(http, made)] == [2, None, 1]


def test_a_schedule_whose_runs_fail_is_paused_and_runs_again_when_resumed(
    http: TestHTTPClient,
) -> None:
    made, at = written(http, pause_after_failures=2), last_minute()
    fire(made, at - 180)
    fire(made, at - 120)
    for job in jobs_of(http, made):
        end(job["id"], status="failed")
    fire(made, at - 60)
    paused = read(http, made)
    assert paused["state"] == "paused"
    assert "2 runs" in paused["pause_note"]
    assert paused["last_runs"][0]["reason"]["code"] == "paused_after_failures"
    assert act(http, made, "resume").status_code == 200
    Schedule(made["id"]).update([Schedule.written_at.set(at - 1), Schedule.synced_at.set(at - 1)])
    fire(made, at)
    assert read(http, made)["last_runs"][0]["status"] == "made"


def test_runs_whose_jobs_have_expired_do_not_pause(http: TestHTTPClient) -> None:
    made, at = written(http, pause_after_failures=1), last_minute()
    fire(made, at - 60)
    Job(jobs_of(http, made)[0]["id"]).delete()
    fire(made, at)
    assert read(http, made)["state"] == "enabled"


def test_a_stored_request_that_is_no_longer_valid_refuses_the_run(http: TestHTTPClient) -> None:
    made = written(http)
    content = Content.get(content_id(made["id"]))
    content.update([Content.request.set({**SMALL, "width": 3})])
    fire(made, last_minute())
    assert runs(http, made)[0]["reason"]["code"] == "invalid_request"
    check_error(act(http, made, "run"), 400, "request")


@pytest.mark.parametrize("status", ["succeeded", "queued"])
def test_runs_with_an_image_or_open_jobs_do_not_pause(http: TestHTTPClient, status: str) -> None:
    made, at = written(http, pause_after_failures=2), last_minute()
    fire(made, at - 180)
    fire(made, at - 120)
    first, second = (job["id"] for job in jobs_of(http, made))
    end(first, status="failed")
    end(second, status=status)
    fire(made, at - 60)
    assert read(http, made)["state"] == "enabled"


def test_the_message_of_a_paused_schedule_makes_nothing(
    http: TestHTTPClient, schedule: dict[str, Any]
) -> None:
    act(http, schedule, "pause")
    fire(schedule, last_minute())
    assert runs(http, schedule)[0]["reason"]["code"] == "paused"
    assert jobs_of(http, schedule) == []


@pytest.mark.parametrize("write", ["resume", "PUT"])
def test_times_before_the_last_write_make_nothing(
    http: TestHTTPClient, schedule: dict[str, Any], write: str
) -> None:
    if write == "PUT":
        send(http, "PUT", f"{SCHEDULES}/{schedule['id']}", CARD)
    else:
        act(http, schedule, "pause")
        act(http, schedule, "resume")
    fire(schedule, last_minute() - 60)
    assert runs(http, schedule)[0]["reason"]["code"] == "changed"


def test_the_message_of_a_deleted_schedule_is_ignored(
    http: TestHTTPClient, schedule: dict[str, Any]
) -> None:
    http.delete(f"{SCHEDULES}/{schedule['id']}")
    fire(schedule, last_minute())
    assert list(Run.scan()) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (ApiKey.revoked_at.set(1), "key_invalid"),
        (ApiKey.expires_at.set(1), "key_invalid"),
        (ApiKey.scopes.set(["read"]), "not_allowed"),
        (ApiKey.images_per_day.set(0), "not_allowed"),
    ],
)
def test_a_key_that_may_not_generate_refuses_the_run(
    http: TestHTTPClient, schedule: dict[str, Any], change: Any, code: str
) -> None:
    only_key().update([change])
    fire(schedule, last_minute())
    [run] = Run.query(schedule["id"])
    assert (run.status, run.reason_code, run.number) == ("refused", code, None)


def test_the_stored_scope_admin_of_a_key_without_such_an_id_makes_no_run(
    http: TestHTTPClient,
) -> None:
    application = cast("Chalice", Gateway(app.app))
    mine = keyed(Client(application), application, scopes=("generate", "read"))
    made = create(mine, request=SMALL)
    ApiKey(mine.token.split("_")[1]).update([ApiKey.scopes.set(["admin"])])
    details = check_error(act(http, made, "run"), 403)
    assert "scope 'generate'" in details["error"]


def test_a_used_up_limit_refuses_the_run_and_takes_no_number(
    http: TestHTTPClient, schedule: dict[str, Any]
) -> None:
    only_key().update([ApiKey.images_per_day.set(1)])
    fire(schedule, last_minute() - 60)
    fire(schedule, last_minute())
    refused, made = runs(http, schedule)
    assert (refused["status"], refused["reason"]["code"]) == ("refused", "limit_reached")
    assert (refused["number"], made["number"]) == (None, 1)


def test_a_style_that_was_deleted_refuses_the_run(http: TestHTTPClient) -> None:
    made = written(http, request={**SMALL, "style_id": 1})
    http.delete("/api/images/styles/1")
    fire(made, last_minute())
    assert runs(http, made)[0]["reason"]["code"] == "invalid_request"


def test_a_caller_runs_a_schedule_now_and_a_repeat_with_its_key_runs_it_once(
    http: TestHTTPClient, schedule: dict[str, Any]
) -> None:
    path = f"{SCHEDULES}/{schedule['id']}/run"
    first = send(http, "POST", path, idempotency_key="a")
    again = send(http, "POST", path, idempotency_key="a")
    assert first.status_code == 201
    assert again.json_body == first.json_body
    assert (first.json_body["number"], first.json_body["status"]) == (1, "made")
    assert send(http, "POST", path).json_body["number"] == 2
    assert len(jobs_of(http, schedule)) == 2


def test_a_missed_run_is_made_up_once(http: TestHTTPClient, schedule: dict[str, Any]) -> None:
    at = last_minute() - 3 * HOUR
    fire(schedule, at, sent_at=at + 2 * HOUR)
    body = {"scheduled_at": iso(at).replace("+00:00", "Z")}
    run = act(http, schedule, "run", body)
    assert run.status_code == 201
    assert (run.json_body["status"], time_of(run.json_body["scheduled_at"])) == ("made", at)
    assert runs(http, schedule) == [run.json_body]
    check_error(act(http, schedule, "run", body), 409)
    assert len(jobs_of(http, schedule)) == 1


def test_only_a_missed_run_of_the_last_seven_days_is_made_up(
    http: TestHTTPClient, schedule: dict[str, Any]
) -> None:
    at = last_minute()
    fire(schedule, at)
    for wrong, status in ((at, 409), (at - 60, 404), (at - 8 * 86_400, 400)):
        check_error(act(http, schedule, "run", {"scheduled_at": iso(wrong)}), status)
    never = {"scheduled_at": "9999-12-31T23:59:59-14:00"}
    check_error(act(http, schedule, "run", never), 400, "scheduled_at")


def test_a_caller_is_told_why_a_run_cannot_be_made(http: TestHTTPClient) -> None:
    application = cast("Chalice", Gateway(app.app))
    mine = keyed(
        Client(application), application, owner="me", scopes=("generate", "read"), images_per_day=1
    )
    made = create(mine, request=SMALL)
    assert act(mine, made, "run").status_code == 201
    check_error(act(mine, made, "run"), 429)
    key = ApiKey(mine.token.split("_")[1])
    key.revoke(now=1)
    check_error(act(http, made, "run"), 409)


def test_the_last_run_completes_a_schedule(http: TestHTTPClient) -> None:
    made = create(http, expression="at(2030-06-01T13:00:00)", request=SMALL)
    at = time_of(made["next_runs"][0])
    fire(made, at)
    done = read(http, made)
    assert (done["state"], done["next_runs"]) == ("completed", [])
    assert done["last_runs"][0]["status"] == "made"


def test_a_message_that_cannot_be_read_is_left_to_sqs(http: TestHTTPClient) -> None:
    record = {"messageId": "m1", "receiptHandle": "r", "body": "rubbish", "attributes": {}}
    assert app.run({"Records": [record]}, None) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_jobs_of_a_schedule_are_those_of_its_owner(
    http: TestHTTPClient, schedule: dict[str, Any]
) -> None:
    fire(schedule, last_minute())
    application = cast("Chalice", Gateway(app.app))
    stranger = keyed(Client(application), application, owner="other", scopes=("read",))
    assert jobs_of(stranger, schedule) == []
    listed = f"/api/images/jobs?schedule_id={schedule['id']}"
    check_error(http.get(f"{listed}&status=queued"), 400, "status")
    check_error(http.get("/api/images/jobs?schedule_id=a%20b"), 400, "schedule_id")

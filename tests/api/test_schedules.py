"""`/api/images/schedules`: what callers write, read, pause, resume and delete."""

import json
import time
from typing import Any, cast

import msgspec
import pytest
from chalice import Chalice
from chalice.test import Client, TestHTTPClient

import app
from chalicelib.api.schedule_resource import schedule_resource
from chalicelib.models.schedules.count import MOST, OwnerCount
from chalicelib.models.schedules.schedule import Schedule
from tests.api.calls import all_items, send
from tests.api.contract import check_error
from tests.api.gateway import BASE_URL, Gateway
from tests.api.keyed import keyed
from tests.api.scheduling import CARD, SCHEDULES, act, create, in_aws, iso, read, time_of

FIELDS = {
    "id", "name", "expression", "timezone", "request", "prompts", "seed_policy", "start_at",
    "end_at", "missed_window_minutes", "overlap", "pause_after_failures", "state", "pause_note",
    "created_at", "next_runs", "notes", "last_runs",
}  # fmt: skip


def other(**wanted: Any) -> TestHTTPClient:
    """Return a client with a key of another owner, which is not an admin."""
    application = cast("Chalice", Gateway(app.app))
    scopes = wanted.pop("scopes", ("read", "generate"))
    return keyed(Client(application), application, owner="other", scopes=scopes, **wanted)


def test_a_schedule_that_is_created_shows_what_was_sent_and_its_next_runs(
    http: TestHTTPClient,
) -> None:
    response = send(http, "POST", SCHEDULES, CARD)
    assert response.status_code == 201
    schedule = response.json_body
    assert schedule.keys() == FIELDS
    assert {name: schedule[name] for name in CARD} == CARD
    assert (schedule["state"], schedule["last_runs"]) == ("enabled", [])
    assert response.headers["Location"] == f"{BASE_URL}{SCHEDULES}/{schedule['id']}"
    assert len(schedule["next_runs"]) == 5
    assert all("T07:00:00+0" in each for each in schedule["next_runs"])
    assert read(http, schedule) == schedule


def test_what_is_left_out_has_its_default(http: TestHTTPClient) -> None:
    wanted = {"name": "a", "expression": "rate(1 day)", "request": {"prompt": "x"}}
    schedule = send(http, "POST", SCHEDULES, wanted).json_body
    defaults = {
        "timezone": "UTC", "seed_policy": "random", "overlap": "allow",
        "missed_window_minutes": 60, "pause_after_failures": None, "prompts": None,
        "start_at": None, "end_at": None,
    }  # fmt: skip
    assert {name: schedule[name] for name in defaults} == defaults
    with_null = send(http, "POST", SCHEDULES, {**wanted, **dict.fromkeys(defaults)}).json_body
    assert {name: with_null[name] for name in defaults} == defaults


def test_a_seed_is_fixed_unless_the_policy_says_otherwise(http: TestHTTPClient) -> None:
    wanted = {"name": "a", "expression": "rate(1 day)", "request": {"prompt": "x", "seed": 4}}
    assert send(http, "POST", SCHEDULES, wanted).json_body["seed_policy"] == "fixed"


def test_aws_has_the_schedule_with_all_fields_and_no_text_of_the_caller(
    http: TestHTTPClient,
) -> None:
    schedule = create(http, missed_window_minutes=90)
    found = in_aws(schedule)
    assert found
    assert found["ScheduleExpression"] == CARD["expression"]
    assert found["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert (found["State"], found["ActionAfterCompletion"]) == ("ENABLED", "DELETE")
    assert found["FlexibleTimeWindow"] == {"Mode": "OFF"}
    target = found["Target"]
    assert json.loads(target["Input"]) == {
        "schedule_id": schedule["id"],
        "scheduled_at": "<aws.scheduler.scheduled-time>",
    }
    assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 90 * 60
    assert target["DeadLetterConfig"]["Arn"].endswith(":undelivered-runs")
    assert "card" not in json.dumps(found, default=str).replace("schedule", "")


def test_a_rate_begins_one_interval_after_its_creation_at_a_whole_minute(
    http: TestHTTPClient,
) -> None:
    before = time.time()
    schedule = create(http, expression="rate(15 minutes)")
    found = in_aws(schedule)
    assert found
    first = found["StartDate"].timestamp()
    assert 0 <= first - before - 900 <= 60
    assert first % 60 == 0
    assert time_of(schedule["next_runs"][0]) == first


def test_a_rate_that_is_written_again_keeps_its_phase(http: TestHTTPClient) -> None:
    long_ago = time.time() // 60 * 60 - 10 * 86_400 - 240
    started = {"expression": "rate(5 minutes)", "start_at": iso(long_ago)}
    schedule = create(http, **started)
    for write in (
        lambda: send(http, "PUT", f"{SCHEDULES}/{schedule['id']}", {**CARD, **started}),
        lambda: act(http, schedule, "pause"),
        lambda: act(http, schedule, "resume"),
    ):
        assert write().status_code == 200
        found = in_aws(schedule)
        assert found
        start = found["StartDate"].timestamp()
        assert (start - long_ago) % 300 == 0
        assert 0 < start - time.time() <= 300


def test_a_one_time_schedule_is_sent_to_aws_in_utc(http: TestHTTPClient) -> None:
    schedule = create(http, expression="at(2030-06-01T13:00:30)", timezone="America/New_York")
    assert schedule["next_runs"] == ["2030-06-01T13:00:30-04:00"]
    found = in_aws(schedule)
    assert found
    assert found["ScheduleExpression"] == "at(2030-06-01T17:00:30)"
    assert found["ScheduleExpressionTimezone"] == "UTC"


# What cannot be a schedule, and the field that the error names.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"expression": "every monday"}, "expression"),
    ({"expression": "cron(0 7 * * *)"}, "expression"),
    ({"expression": "cron(0 7 * * * *)"}, "expression"),
    ({"expression": "cron(0 7 31W * ? *)"}, "expression"),
    ({"expression": "cron(0 7 30 2 ? *)"}, "expression"),
    ({"expression": "at(2020-01-01T00:00:00)"}, "expression"),
    ({"expression": "rate(0 minutes)"}, "expression"),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"timezone": "PST"}, "timezone"),
    ({"start_at": "2030-01-01T00:00:00Z", "end_at": "2029-01-01T00:00:00Z"}, "end_at"),
    ({"start_at": "2030-01-01T00:00:00"}, "start_at"),
    ({"start_at": "0001-01-01T00:00:00+02:00"}, "start_at"),
    ({"end_at": "9999-12-31T23:59:59-02:00"}, "end_at"),
    ({"end_at": "2200-01-01T00:00:00Z"}, "end_at"),
    ({"request": {"width": 512}}, "request.prompt"),
    ({"request": {"prompt": "x", "width": 5}}, "request.width"),
    ({"request": {"prompt": "x", "style_id": 999}}, "request.style_id"),
    ({"request": {"prompt": "x", "format_id": 999}}, "request.format_id"),
    ({"request": {"prompt": "x", "count": 2}}, "request.count"),
    ({"request": {"prompt": "x", "post_id": "1", "count": 9}}, "request.count"),
    ({"request": {"prompt": "{date}" * 1500}}, "request.prompt"),
    ({"request": {"prompt": "x", "colour": 1}}, "request.colour"),
    ({"request": []}, "request"),
    ({"prompts": []}, "prompts"),
    ({"prompts": ["x"] * 101}, "prompts"),
    ({"prompts": ["x" * 9_000] * 12}, "prompts"),
    ({"prompts": [" "]}, "prompts"),
    ({"seed_policy": "rising"}, "seed_policy"),
    ({"overlap": True}, "overlap"),
    ({"missed_window_minutes": 0}, "missed_window_minutes"),
    ({"missed_window_minutes": 1441}, "missed_window_minutes"),
    ({"pause_after_failures": 101}, "pause_after_failures"),
    ({"name": ""}, "name"),
    ({"colour": 1}, "colour"),
]


def test_what_cannot_be_a_schedule_is_refused_with_its_field(http: TestHTTPClient) -> None:
    for wrong, field in WRONG:
        check_error(send(http, "POST", SCHEDULES, {**CARD, **wrong}), 400, field)
    assert http.get(SCHEDULES).json_body == []


def test_what_cannot_replace_a_schedule_is_refused_and_changes_nothing(
    http: TestHTTPClient,
) -> None:
    schedule = create(http)
    for wrong, field in WRONG:
        check_error(
            send(http, "PUT", f"{SCHEDULES}/{schedule['id']}", {**CARD, **wrong}), 400, field
        )
    assert read(http, schedule) == schedule


def test_a_schedule_whose_runs_exceed_the_keys_day_is_refused(http: TestHTTPClient) -> None:
    small = other(images_per_day=2)
    request = {"prompt": "x", "post_id": "1", "count": 3}
    check_error(send(small, "POST", SCHEDULES, {**CARD, "request": request}), 403)


def test_prompts_may_stand_for_the_requests_prompt(http: TestHTTPClient) -> None:
    wanted = {"name": "a", "expression": "rate(1 day)", "prompts": ["one", "two"]}
    schedule = send(http, "POST", SCHEDULES, wanted).json_body
    assert (schedule["prompts"], schedule["request"]) == (["one", "two"], {})


def test_put_replaces_everything(http: TestHTTPClient) -> None:
    schedule = create(http, overlap="skip", pause_after_failures=3, prompts=["a"])
    smaller = {"name": "b", "expression": "cron(0 8 * * ? *)", "request": {"prompt": "y"}}
    response = send(http, "PUT", f"{SCHEDULES}/{schedule['id']}", smaller)
    assert response.status_code == 200
    replaced = response.json_body
    assert (replaced["overlap"], replaced["pause_after_failures"]) == ("allow", None)
    assert (replaced["prompts"], replaced["timezone"]) == (None, "UTC")
    found = in_aws(schedule)
    assert found
    assert found["ScheduleExpression"] == "cron(0 8 * * ? *)"
    assert read(http, schedule) == replaced


def test_a_paused_schedule_stays_paused_when_it_is_written(http: TestHTTPClient) -> None:
    schedule = create(http)
    paused = act(http, schedule, "pause", {"note": "holidays"}).json_body
    assert (paused["state"], paused["pause_note"]) == ("paused", "holidays")
    assert "holidays" in paused["notes"]
    send(http, "PUT", f"{SCHEDULES}/{schedule['id']}", CARD)
    assert read(http, schedule)["state"] == "paused"
    assert (in_aws(schedule) or {})["State"] == "DISABLED"
    resumed = act(http, schedule, "resume").json_body
    assert (resumed["state"], resumed["pause_note"]) == ("enabled", None)
    assert (in_aws(schedule) or {})["State"] == "ENABLED"


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_pausing_and_resuming_may_be_repeated(http: TestHTTPClient, verb: str) -> None:
    schedule = create(http)
    first = act(http, schedule, verb)
    assert first.status_code == 200
    assert act(http, schedule, verb).json_body == first.json_body


def test_a_deleted_schedule_is_gone_here_and_in_aws(http: TestHTTPClient) -> None:
    schedule = create(http)
    one = f"{SCHEDULES}/{schedule['id']}"
    response = http.delete(one)
    assert (response.status_code, response.json_body) == (200, {"status": "success"})
    check_error(http.get(one), 404)
    check_error(http.delete(one), 404)
    assert in_aws(schedule) is None
    assert http.get(SCHEDULES).json_body == []
    assert list(Schedule.scan(Schedule.name.exists())) == []


def test_the_list_has_pages_newest_first(http: TestHTTPClient) -> None:
    ids = [create(http, name=f"schedule {number}")["id"] for number in range(5)]
    listed = all_items(http, f"{SCHEDULES}?limit=2")
    assert [each["id"] for each in listed] == sorted(ids, reverse=True)
    assert all(each.keys() == FIELDS for each in listed)
    check_error(http.get(f"{SCHEDULES}?limit=101"), 400, "limit")


def test_a_caller_sees_only_the_schedules_of_its_owner(http: TestHTTPClient) -> None:
    mine, stranger = create(http), other()
    theirs = create(stranger)
    assert [each["id"] for each in stranger.get(SCHEDULES).json_body] == [theirs["id"]]
    assert len(http.get(SCHEDULES).json_body) == 2, "an admin sees all"
    one = f"{SCHEDULES}/{mine['id']}"
    for response in (
        stranger.get(one),
        stranger.delete(one),
        send(stranger, "PUT", one, CARD),
        act(stranger, mine, "pause"),
        act(stranger, mine, "run"),
        stranger.get(f"{one}/runs"),
    ):
        check_error(response, 404)


def test_a_key_without_the_scope_generate_may_only_read(http: TestHTTPClient) -> None:
    schedule, reader = create(http), other(scopes=("read",))
    assert reader.get(SCHEDULES).status_code == 200
    one = f"{SCHEDULES}/{schedule['id']}"
    for response in (
        send(reader, "POST", SCHEDULES, CARD),
        send(reader, "PUT", one, CARD),
        reader.delete(one),
        *(act(reader, schedule, verb) for verb in ("pause", "resume", "run")),
    ):
        check_error(response, 403)


def test_a_creation_that_is_repeated_with_its_key_creates_one(http: TestHTTPClient) -> None:
    first = send(http, "POST", SCHEDULES, CARD, idempotency_key="a")
    again = send(http, "POST", SCHEDULES, CARD, idempotency_key="a")
    assert (again.status_code, again.json_body) == (201, first.json_body)
    assert len(http.get(SCHEDULES).json_body) == 1
    request = dict(reversed(CARD["request"].items()))
    reordered = json.dumps(dict(reversed({**CARD, "request": request}.items())), indent=1).encode()
    other_order = send(http, "POST", SCHEDULES, reordered, idempotency_key="a")
    assert other_order.json_body["id"] == first.json_body["id"]
    different = {**CARD, "name": "another"}
    check_error(send(http, "POST", SCHEDULES, different, idempotency_key="a"), 422)


def test_a_schedule_may_end_in_the_last_year_that_aws_knows(http: TestHTTPClient) -> None:
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        schedule = create(http, end_at="2199-12-31T23:59:59Z", timezone=zone)
        assert read(http, schedule)["end_at"].startswith(("2199-12-31", "2200-01-01"))


def test_an_owner_has_at_most_a_thousand_schedules(http: TestHTTPClient) -> None:
    create(http)
    [count] = OwnerCount.scan(OwnerCount.schedules.exists())
    assert count.schedules == 1
    count.update([OwnerCount.schedules.set(MOST)])
    check_error(send(http, "POST", SCHEDULES, CARD), 409)
    count.update([OwnerCount.added_at.set(0)])
    create(http)  # the index says that there is one only
    http.delete(f"{SCHEDULES}/{http.get(SCHEDULES).json_body[0]['id']}")
    count.refresh()
    assert count.schedules == 1


def test_ids_that_are_none_are_not_found(http: TestHTTPClient) -> None:
    for wrong in ("1", "x" * 26, "content:1", "%20", "\N{FOX FACE}" * 26):
        check_error(http.get(f"{SCHEDULES}/{wrong}"), 404)


def test_a_request_that_would_be_refused_today_is_shown_as_it_is_stored(
    http: TestHTTPClient,
) -> None:
    schedule = Schedule.find(create(http)["id"])
    schedule.content.request = {"prompt": "x", "width": 4096, "removed": 1, "count": 2}
    shown = schedule_resource(schedule, [])
    assert msgspec.to_builtins(shown)["request"] == schedule.content.request


def test_a_completed_schedule_cannot_be_paused_but_be_written_again(http: TestHTTPClient) -> None:
    schedule = create(http, expression="at(2030-06-01T13:00:00)")
    Schedule(schedule["id"]).update([Schedule.state.set("completed")])
    for verb in ("pause", "resume"):
        check_error(act(http, schedule, verb), 409)
    assert read(http, schedule)["next_runs"] == []
    assert send(http, "PUT", f"{SCHEDULES}/{schedule['id']}", CARD).json_body["state"] == "enabled"

"""Many jobs in one request: accepted by themselves, and canceled a hundred at a time."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from chalice import Chalice
from chalice.test import Client, HTTPResponse, TestHTTPClient

import app
from chalicelib.models.catalogs.item import Entry
from chalicelib.models.jobs.job import Job
from tests.api.calls import JOBS, SMALL, generate, generate_later, put_setting, send
from tests.api.contract import check_error
from tests.api.gateway import Gateway
from tests.api.keyed import KeyedClient, keyed
from tests.conftest import Messages

BATCH, CANCEL = f"{JOBS}/batch", f"{JOBS}/cancel"
Make = Callable[..., KeyedClient]


@pytest.fixture
def having(aws: None, comfyui: str) -> Make:
    """Callers who may not do everything, each with a key as wanted."""
    gateway = cast("Chalice", Gateway(app.app))
    scopes = ("read", "generate")
    return lambda **wanted: keyed(Client(gateway), gateway, scopes=scopes, **wanted)


def bodies(count: int, **wanted: Any) -> list[dict[str, Any]]:
    return [{"prompt": f"boat {number}", **SMALL, **wanted} for number in range(count)]


def batch(http: TestHTTPClient, requests: object, **headers: str) -> list[dict[str, Any]]:
    """Send a batch that is answered; return its results."""
    response = send(http, "POST", BATCH, {"requests": requests}, **headers)
    assert response.status_code == 200, response.body
    results: list[dict[str, Any]] = response.json_body["results"]
    return results


def ids(results: list[dict[str, Any]]) -> list[str]:
    return [each["job"]["id"] for each in results]


def cancel(http: TestHTTPClient, **which: Any) -> dict[str, Any]:
    response = send(http, "POST", CANCEL, which)
    assert response.status_code == 200, response.body
    answered: dict[str, Any] = response.json_body
    return answered


def test_a_batch_is_accepted_in_the_order_of_its_results(
    http: TestHTTPClient, comfyui: str, sent: Messages
) -> None:
    results = batch(http, bodies(100))
    assert {each["status"] for each in results} == {202}
    assert [each["job"]["metadata"]["prompt"] for each in results] == [
        each["prompt"] for each in bodies(100)
    ]
    assert len(set(ids(results))) == len(http.get(f"{JOBS}?limit=1000").json_body) == 100
    assert len(sent) == 100
    assert {each["job"]["status"] for each in results} == {"queued"}


def test_each_request_of_a_batch_is_answered_by_itself(http: TestHTTPClient, comfyui: str) -> None:
    good = bodies(1)[0]
    wrong = [
        {"width": 64},
        {**good, "width": 65},
        {**good, "count": 2},
        7,
        {**good, "style_id": 99},
    ]
    first, *refused, last = batch(http, [good, *wrong, good])
    assert (first["status"], last["status"]) == (202, 202)
    assert [each["status"] for each in refused] == [400] * 5
    alone = [send(http, "POST", "/api/images/generate", each) for each in wrong]
    assert [each["error"] for each in refused] == [each.json_body for each in alone]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"requests": []},
        {"requests": {}},
        {"requests": None},
        {"requests": bodies(101)},
        {"requests": bodies(1), "wait": 1},
        [],
        b"{",
        b'{"requests": [{"prompt": "a"}, ]}',
    ],
    ids=repr,
)
def test_what_is_no_batch_is_refused_whole(http: TestHTTPClient, body: Any) -> None:
    check_error(send(http, "POST", BATCH, body), 400)
    assert http.get(JOBS).json_body == []


def test_a_batch_may_have_a_megabyte_and_no_more(http: TestHTTPClient, comfyui: str) -> None:
    large = bodies(100, negative_prompt="n" * 9_900)
    assert [each["status"] for each in batch(http, large)] == [202] * 100
    too_large = bodies(100, negative_prompt="n" * 10_000, prompt="p" * 1000)
    response = send(http, "POST", BATCH, {"requests": too_large})
    check_error(response, 413)
    assert "1024 KB" in response.json_body["details"]["suggestion"]
    alone = send(http, "POST", CANCEL, {"ids": ["x" * 40] * 100, "status": "y" * 270_000})
    check_error(alone, 413)


def test_the_texts_of_a_batch_whose_answer_would_be_too_large_are_left_out(
    http: TestHTTPClient, comfyui: str
) -> None:
    style = {"name": "long", "description": "", "prompt_template": "😀" * 10_000}
    style_id = send(http, "POST", "/api/images/styles", style).json_body["id"]
    results = batch(http, bodies(60, style_id=style_id))
    texts = [each["job"]["metadata"] for each in results]
    assert texts[0]
    assert texts[-1] is None
    assert len(set(ids(results))) == 60


def test_a_batch_does_not_say_that_it_waits(http: TestHTTPClient, comfyui: str) -> None:
    answer = send(http, "POST", BATCH, {"requests": bodies(1)}, prefer="wait=20")
    assert "Preference-Applied" not in answer.headers
    answer = send(http, "POST", BATCH, {"requests": bodies(1)}, prefer="respond-async, wait=20")
    assert answer.headers["Preference-Applied"] == "respond-async"


def test_one_key_makes_a_batch_once(http: TestHTTPClient, comfyui: str) -> None:
    first = batch(http, bodies(5), idempotency_key="a")
    again = batch(http, bodies(5), idempotency_key="a")
    assert ids(first) == ids(again)
    longer = batch(http, [*bodies(5), *bodies(1)], idempotency_key="a")
    assert ids(longer)[:5] == ids(first)
    changed = batch(http, [*bodies(4), {"prompt": "another"}], idempotency_key="a")
    assert [each["status"] for each in changed] == [202] * 4 + [422]
    assert len(http.get(JOBS).json_body) == 6


def test_a_batch_shares_no_key_with_other_requests(http: TestHTTPClient, comfyui: str) -> None:
    one = send(http, "POST", "/api/images/generate", bodies(1)[0], idempotency_key="a")
    assert one.status_code == 200
    assert batch(http, bodies(1), idempotency_key="a")[0]["status"] == 202


def test_a_batch_is_one_request_of_the_minute_and_as_many_images_of_the_day(having: Make) -> None:
    http = having(requests_per_minute=2, images_per_day=7)
    results = batch(http, bodies(10))
    statuses = [each["status"] for each in results]
    assert (statuses.count(202), statuses.count(429)) == (7, 3)
    refused = next(each for each in results if each["status"] == 429)
    assert 1 <= refused["retry_after_seconds"] <= 86_401
    assert len(http.get(JOBS).json_body) == 7


def test_the_settings_are_read_once_for_a_batch(
    http: TestHTTPClient, comfyui: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_setting(http, "default_steps", "7")
    asked, query = list[str](), Entry.query.__func__  # type: ignore[attr-defined]

    def count(cls: Any, key: str, *args: Any, **how: Any) -> Any:
        asked.append(key)
        return query(cls, key, *args, **how)

    monkeypatch.setattr(Entry, "query", classmethod(count))
    results = batch(http, bodies(20))
    assert {Job.show(each).parameters["steps"] for each in ids(results)} == {7}
    assert asked.count("settings") == 1


@pytest.mark.parametrize("which", ["status", "post_id", "ids"])
def test_jobs_are_canceled_a_hundred_at_a_time(
    http: TestHTTPClient, comfyui: str, which: str
) -> None:
    post = "/api/v1/posts/7/generate_images"
    for _ in range(13):
        send(http, "POST", post, {**bodies(1)[0], "count": 8}, prefer="respond-async")
    known = [each["id"] for each in http.get(f"{JOBS}?limit=1000").json_body]
    how = {"status": "queued", "post_id": "7", "ids": known[:100]}[which]
    first = cancel(http, **{which: how})
    assert (len(set(first["canceled"])), first["more"]) == (100, which != "ids")
    how = {"status": "queued", "post_id": "7", "ids": known[100:]}[which]
    last = cancel(http, **{which: how})
    assert (len(last["canceled"]), last["more"]) == (4, False)
    assert {*first["canceled"], *last["canceled"]} == {*known}
    assert {each["status"] for each in http.get(f"{JOBS}?limit=1000").json_body} == {"canceled"}


def test_what_has_ended_stays_as_it_is(http: TestHTTPClient, comfyui: str) -> None:
    assert generate(http).status_code == 200
    [done] = http.get(JOBS).json_body
    waiting = generate_later(http).json_body["id"]
    odd = ["../x", "no such job", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]
    assert cancel(http, ids=[done["id"], waiting, waiting, *odd]) == {
        "status": "success",
        "canceled": [waiting],
        "more": False,
    }
    assert cancel(http, ids=[waiting])["canceled"] == [waiting], "harmless when repeated"
    assert cancel(http, status="queued")["canceled"] == []
    assert http.get(f"{JOBS}/{done['id']}").json_body["status"] == "succeeded"


def test_nobody_cancels_what_is_anothers(having: Make) -> None:
    ada, bob = having(owner="ada"), having(owner="bob")
    post = "/api/v1/posts/7/generate_images"
    [hers] = send(ada, "POST", post, bodies(1)[0], prefer="respond-async").json_body["jobs"]
    for which in ({"status": "queued"}, {"post_id": "7"}, {"ids": [hers["id"]]}):
        assert cancel(bob, **which)["canceled"] == []
    gateway = cast("Chalice", Gateway(app.app))
    admin = keyed(Client(gateway), gateway)
    assert cancel(admin, post_id="7")["canceled"] == [hers["id"]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "queued", "post_id": "7"},
        {"status": "succeeded"},
        {"status": 1},
        {"post_id": "a#b"},
        {"ids": []},
        {"ids": ["x"] * 101},
        {"ids": [1]},
        {"all": True},
    ],
    ids=repr,
)
def test_it_must_be_said_which_jobs_to_cancel(http: TestHTTPClient, body: Any) -> None:
    check_error(send(http, "POST", CANCEL, body), 400)


@pytest.mark.parametrize("path", [BATCH, CANCEL])
def test_who_may_only_read_neither_makes_nor_cancels(aws: None, path: str) -> None:
    gateway = cast("Chalice", Gateway(app.app))
    reader = keyed(Client(gateway), gateway, scopes=("read",))
    answered: HTTPResponse = send(reader, "POST", path, {"status": "queued"})
    check_error(answered, 403)

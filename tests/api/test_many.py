"""Many jobs in one request: batches, and canceling up to a hundred jobs."""

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
NewClient = Callable[..., KeyedClient]


@pytest.fixture
def new_client(aws: None, comfyui: str) -> NewClient:
    """A function that returns a client with a new key, which has no admin scope."""
    gateway = cast("Chalice", Gateway(app.app))
    scopes = ("read", "generate")
    return lambda **wanted: keyed(Client(gateway), gateway, scopes=scopes, **wanted)


def bodies(count: int, **wanted: Any) -> list[dict[str, Any]]:
    return [{"prompt": f"boat {number}", **SMALL, **wanted} for number in range(count)]


def batch(http: TestHTTPClient, requests: object, **headers: str) -> list[dict[str, Any]]:
    """Send a batch that is not refused as a whole; return its results."""
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


def test_the_results_of_a_batch_have_the_order_of_its_requests(
    http: TestHTTPClient, comfyui: str, sent: Messages
) -> None:
    results = batch(http, bodies(100))
    assert {each["status"] for each in results} == {202}
    assert [each["job"]["metadata"]["prompt"] for each in results] == [
        each["prompt"] for each in bodies(100)
    ]
    assert len(set(ids(results))) == len(http.get(f"{JOBS}?limit=1000").json_body) == 100
    assert len(sent) == 1  # one follower takes them all
    assert {each["job"]["status"] for each in results} == {"queued"}


def test_each_request_of_a_batch_has_its_own_status_and_error(
    http: TestHTTPClient, comfyui: str
) -> None:
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
def test_an_invalid_batch_is_refused_as_a_whole(http: TestHTTPClient, body: Any) -> None:
    check_error(send(http, "POST", BATCH, body), 400)
    assert http.get(JOBS).json_body == []


def test_a_batch_larger_than_a_megabyte_is_refused(http: TestHTTPClient, comfyui: str) -> None:
    large = bodies(100, negative_prompt="n" * 9_900)
    assert [each["status"] for each in batch(http, large)] == [202] * 100
    too_large = bodies(100, negative_prompt="n" * 10_000, prompt="p" * 1000)
    response = send(http, "POST", BATCH, {"requests": too_large})
    check_error(response, 413)
    assert "1024 KB" in response.json_body["details"]["suggestion"]
    alone = send(http, "POST", CANCEL, {"ids": ["x" * 40] * 100, "status": "y" * 270_000})
    check_error(alone, 413)


def test_metadata_is_left_out_where_the_response_to_a_batch_would_be_too_large(
    http: TestHTTPClient, comfyui: str
) -> None:
    style = {"name": "long", "description": "", "prompt_template": "😀" * 10_000}
    style_id = send(http, "POST", "/api/images/styles", style).json_body["id"]
    results = batch(http, bodies(60, style_id=style_id))
    texts = [each["job"]["metadata"] for each in results]
    assert texts[0]
    assert texts[-1] is None
    assert len(set(ids(results))) == 60


def test_a_batch_does_not_apply_a_wait_preference(http: TestHTTPClient, comfyui: str) -> None:
    answer = send(http, "POST", BATCH, {"requests": bodies(1)}, prefer="wait=20")
    assert "Preference-Applied" not in answer.headers
    answer = send(http, "POST", BATCH, {"requests": bodies(1)}, prefer="respond-async, wait=20")
    assert answer.headers["Preference-Applied"] == "respond-async"


def test_a_batch_repeated_with_its_key_makes_no_new_jobs(
    http: TestHTTPClient, comfyui: str
) -> None:
    first = batch(http, bodies(5), idempotency_key="a")
    again = batch(http, bodies(5), idempotency_key="a")
    assert ids(first) == ids(again)
    longer = batch(http, [*bodies(5), *bodies(1)], idempotency_key="a")
    assert ids(longer)[:5] == ids(first)
    changed = batch(http, [*bodies(4), {"prompt": "another"}], idempotency_key="a")
    assert [each["status"] for each in changed] == [202] * 4 + [422]
    assert len(http.get(JOBS).json_body) == 6


def test_a_batch_and_another_request_can_use_the_same_key(
    http: TestHTTPClient, comfyui: str
) -> None:
    one = send(http, "POST", "/api/images/generate", bodies(1)[0], idempotency_key="a")
    assert one.status_code == 200
    assert batch(http, bodies(1), idempotency_key="a")[0]["status"] == 202


def test_a_batch_counts_as_one_request_per_minute_and_its_images_count_per_day(
    new_client: NewClient,
) -> None:
    http = new_client(requests_per_minute=2, images_per_day=7)
    results = batch(http, bodies(10))
    statuses = [each["status"] for each in results]
    assert (statuses.count(202), statuses.count(429)) == (7, 3)
    refused = next(each for each in results if each["status"] == 429)
    assert 1 <= refused["retry_after_seconds"] <= 86_401
    assert len(http.get(JOBS).json_body) == 7


def test_a_batch_reads_the_settings_once(
    http: TestHTTPClient, comfyui: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_setting(http, "default_steps", "7")
    read_keys, query = list[str](), Entry.query.__func__  # type: ignore[attr-defined]

    def count(cls: Any, key: str, *args: Any, **how: Any) -> Any:
        read_keys.append(key)
        return query(cls, key, *args, **how)

    monkeypatch.setattr(Entry, "query", classmethod(count))
    results = batch(http, bodies(20))
    assert {Job.show(each).parameters["steps"] for each in ids(results)} == {7}
    assert read_keys.count("settings") == 1


@pytest.mark.parametrize("which", ["status", "post_id", "ids"])
def test_one_request_cancels_up_to_a_hundred_jobs(
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


def test_canceling_many_jobs_leaves_ended_jobs_unchanged(
    http: TestHTTPClient, comfyui: str
) -> None:
    assert generate(http).status_code == 200
    [done] = http.get(JOBS).json_body
    waiting = generate_later(http).json_body["id"]
    odd = ["../x", "no such job", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]
    assert cancel(http, ids=[done["id"], waiting, waiting, *odd]) == {
        "status": "success",
        "canceled": [waiting],
        "more": False,
    }
    assert cancel(http, ids=[waiting])["canceled"] == [waiting], "canceling again is harmless"
    assert cancel(http, status="queued")["canceled"] == []
    assert http.get(f"{JOBS}/{done['id']}").json_body["status"] == "succeeded"


def test_an_owner_cannot_cancel_another_owners_jobs(new_client: NewClient) -> None:
    ada, bob = new_client(owner="ada"), new_client(owner="bob")
    post = "/api/v1/posts/7/generate_images"
    [job_of_ada] = send(ada, "POST", post, bodies(1)[0], prefer="respond-async").json_body["jobs"]
    for which in ({"status": "queued"}, {"post_id": "7"}, {"ids": [job_of_ada["id"]]}):
        assert cancel(bob, **which)["canceled"] == []
    gateway = cast("Chalice", Gateway(app.app))
    admin = keyed(Client(gateway), gateway)
    assert cancel(admin, post_id="7")["canceled"] == [job_of_ada["id"]]


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
def test_an_invalid_selection_of_jobs_to_cancel_is_refused(http: TestHTTPClient, body: Any) -> None:
    check_error(send(http, "POST", CANCEL, body), 400)


@pytest.mark.parametrize("path", [BATCH, CANCEL])
def test_the_read_scope_can_neither_make_nor_cancel_jobs(aws: None, path: str) -> None:
    gateway = cast("Chalice", Gateway(app.app))
    reader = keyed(Client(gateway), gateway, scopes=("read",))
    answered: HTTPResponse = send(reader, "POST", path, {"status": "queued"})
    check_error(answered, 403)

"""`/api/images/keys`: who may make, see, change and revoke keys, and what is refused."""

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from chalice import Chalice
from chalice.test import Client, HTTPResponse
from msgspec import structs

import app
from chalicelib import bootstrap
from chalicelib.config import config
from chalicelib.models.keys.api_key import ApiKey, parts
from infra.keys import create
from tests.api.calls import JOBS, pages, path_of, send
from tests.api.contract import check_error
from tests.api.gateway import Gateway, event_of
from tests.api.keyed import KeyedClient, keyed
from tests.models.failing_dynamodb import lost_answer, refused, stand_in
from tests.virtual.dynamodb import error

KEYS = "/api/images/keys"
SHOP = {"name": "shop", "owner": "shop-team"}
UNKNOWN = "abcdefghijkl"
LIMITS = {
    "requests_per_minute": 1_000_000,
    "images_per_day": 1_000_000,
    "megapixel_steps_per_day": 1_000_000_000,
}
NewClient = Callable[..., KeyedClient]


@pytest.fixture
def new_client(aws: None) -> NewClient:
    """A function that returns a client with a new key."""
    gateway = cast("Chalice", Gateway(app.app))
    return lambda **wanted: keyed(Client(gateway), gateway, **wanted)


@pytest.fixture
def admin(new_client: NewClient) -> KeyedClient:
    return new_client()


def made(admin: KeyedClient, **wanted: Any) -> dict[str, Any]:
    answer = send(admin, "POST", KEYS, {**SHOP, **wanted})
    assert answer.status_code == 201, answer.body
    return dict(answer.json_body)


def change(admin: KeyedClient, key_id: str, **to: Any) -> HTTPResponse:
    return send(admin, "PATCH", f"{KEYS}/{key_id}", to)


def revoke(admin: KeyedClient, key_id: str) -> HTTPResponse:
    return send(admin, "POST", f"{KEYS}/{key_id}/revoke")


def shown(admin: KeyedClient, key_id: str) -> dict[str, Any]:
    answer = admin.get(f"{KEYS}/{key_id}")
    assert answer.status_code == 200, answer.body
    return dict(answer.json_body)


def id_of(http: KeyedClient) -> str:
    return parts(http.token)[0]


def days_from_creation(key: dict[str, Any]) -> float:
    ends, began = (datetime.fromisoformat(key[name]) for name in ("expires_at", "created_at"))
    return (ends - began) / timedelta(days=1)


def test_a_new_key_is_shown_with_its_secret_and_its_url(admin: KeyedClient) -> None:
    answer = send(admin, "POST", KEYS, SHOP)
    assert answer.status_code == 201
    key = answer.json_body
    token = key.pop("key")
    assert parts(token)[0] == key["id"]
    assert path_of(answer.headers["Location"]) == f"{KEYS}/{key['id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert shown(admin, key["id"]) == key
    assert days_from_creation(key) == pytest.approx(365)
    assert {name: value for name, value in key.items() if not name.endswith("_at")} == {
        "id": key["id"],
        "name": "shop",
        "owner": "shop-team",
        "scopes": ["read", "generate"],
        "requests_per_minute": 3000,
        "images_per_day": 1000,
        "megapixel_steps_per_day": 72_000,
        "created_by": id_of(admin),
        "revoked_by": None,
        "state": "active",
    }
    assert key["revoked_at"] is None


def test_a_new_key_works_at_once_with_its_owner_and_scopes(admin: KeyedClient) -> None:
    key = made(admin, scopes=["read"])
    admin.token = key["key"]
    assert admin.get(JOBS).status_code == 200
    error = check_error(send(admin, "POST", "/api/images/generate", {"prompt": "x"}), 403)
    assert error["error"] == "this API key lacks the scope 'generate'"


def test_the_limits_of_a_new_key_are_those_that_are_asked_for(admin: KeyedClient) -> None:
    key = made(admin, **LIMITS, expires_in_days=3650, scopes=["generate", "generate"])
    assert {name: key[name] for name in LIMITS} == LIMITS
    assert days_from_creation(key) == pytest.approx(3650)
    assert key["scopes"] == ["generate"]
    assert made(admin, never_expires=True)["expires_at"] is None


def test_the_limits_of_a_new_key_are_else_those_of_the_deployment(
    admin: KeyedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {name: number for number, name in enumerate(LIMITS, 1)}
    own = {f"key_{name}": value for name, value in limits.items()}
    monkeypatch.setattr(bootstrap, "config", structs.replace(config, key_days=7, **own))
    key = made(admin)
    assert {name: key[name] for name in LIMITS} == limits
    assert days_from_creation(key) == pytest.approx(7)


@pytest.mark.parametrize("scopes", [["admin"], ["read", "admin"]])
def test_keys_of_admins_are_made_by_an_operator(admin: KeyedClient, scopes: list[str]) -> None:
    details = check_error(send(admin, "POST", KEYS, {**SHOP, "scopes": scopes}), 400, "scopes")
    assert details["error"] == "keys with the scope admin are not made over HTTP"
    assert "`make key`" in details["suggestion"]
    assert [each["id"] for each in admin.get(KEYS).json_body] == [id_of(admin)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None), ("name", ""), ("name", " a"), ("name", "a\n"), ("name", "a" * 65),
        ("name", "ä"), ("name", 1), ("owner", None), ("owner", "a;b"), ("owner", []),
        ("scopes", []), ("scopes", "read"), ("scopes", ["write"]), ("scopes", ["read"] * 3),
        ("expires_in_days", 0), ("expires_in_days", 3651), ("expires_in_days", 1.5),
        ("expires_in_days", "7"), ("never_expires", 1),
        ("requests_per_minute", 0), ("requests_per_minute", 1_000_001),
        ("images_per_day", -1), ("images_per_day", 1_000_001), ("images_per_day", True),
        ("megapixel_steps_per_day", 0), ("megapixel_steps_per_day", 10**9 + 1),
        ("megapixel_steps_per_day", 10**30),
        ("created_by", "admin1234567"), ("id", UNKNOWN), ("secret_hash", "x"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named_and_makes_no_key(
    admin: KeyedClient, field: str, value: object
) -> None:
    check_error(send(admin, "POST", KEYS, {**SHOP, field: value}), 400, field)
    assert len(admin.get(KEYS).json_body) == 1


@pytest.mark.parametrize("name", ["a", "A-1 / b_c.d@e:f", "9" * 64])
def test_names_are_those_that_make_key_allows(admin: KeyedClient, name: str) -> None:
    key = made(admin, name=name, owner=name)
    assert (key["name"], key["owner"]) == (name, name)


def test_the_list_has_all_keys_the_newest_first_in_pages(admin: KeyedClient) -> None:
    ids = [id_of(admin), *(made(admin)["id"] for _ in range(4))]
    listed = [[each["id"] for each in page] for page in pages(admin, f"{KEYS}?limit=2")]
    assert listed == [ids[:2:-1], ids[2:0:-1], ids[:1]]


def test_a_page_has_50_keys_unless_the_request_says_otherwise(admin: KeyedClient) -> None:
    for _ in range(100):
        create("shop")
    assert [len(admin.get(f"{KEYS}{each}").json_body) for each in ("", "?limit=100")] == [50, 100]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=x!"])
def test_a_bad_page_is_refused(admin: KeyedClient, query: str) -> None:
    check_error(admin.get(f"{KEYS}?{query}"), 400, query.partition("=")[0])


def test_no_answer_but_the_first_has_a_secret_or_its_hash(admin: KeyedClient) -> None:
    key = made(admin)
    secret, stored = key["key"][16:], ApiKey.get(key["id"]).secret_hash
    answers = [
        admin.get(KEYS),
        admin.get(f"{KEYS}/{key['id']}"),
        change(admin, key["id"], images_per_day=7),
        revoke(admin, key["id"]),
    ]
    for each in answers:
        assert each.status_code == 200
        assert secret not in each.body.decode()
        assert stored not in each.body.decode()


def test_a_change_sets_only_what_is_given(admin: KeyedClient) -> None:
    key = made(admin)
    del key["key"]
    changed = change(admin, key["id"], images_per_day=7, requests_per_minute=None).json_body
    assert changed == {**key, "images_per_day": 7} == shown(admin, key["id"])


@pytest.mark.parametrize("body", [None, {}, {"never_expires": False, "expires_in_days": None}])
def test_an_empty_change_changes_nothing(
    admin: KeyedClient, caplog: pytest.LogCaptureFixture, body: object
) -> None:
    key = made(admin)
    del key["key"]
    with caplog.at_level(logging.INFO, "darkroom.keys"):
        answer = send(admin, "PATCH", f"{KEYS}/{key['id']}", body)
    assert (answer.status_code, answer.json_body) == (200, key)
    assert not caplog.records


def test_an_end_counts_from_now_and_can_be_taken_away(admin: KeyedClient) -> None:
    key = made(admin, expires_in_days=1)
    ApiKey(key["id"]).update([ApiKey.expires_at.set(1)])
    assert shown(admin, key["id"])["state"] == "expired"
    later = change(admin, key["id"], expires_in_days=30).json_body
    assert later["state"] == "active"
    assert days_from_creation(later) == pytest.approx(30, abs=0.01)
    assert change(admin, key["id"], never_expires=True).json_body["expires_at"] is None
    assert shown(admin, key["id"])["expires_at"] is None


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_end_and_none_cannot_be_combined(admin: KeyedClient, method: str) -> None:
    path = KEYS if method == "POST" else f"{KEYS}/{made(admin)['id']}"
    body = {**(SHOP if method == "POST" else {}), "expires_in_days": 1, "never_expires": True}
    check_error(send(admin, method, path, body), 400, "never_expires")


@pytest.mark.parametrize(
    ("field", "value"), [("images_per_day", 0), ("name", "x"), ("owner", "x"), ("scopes", ["read"])]
)
def test_a_bad_change_is_refused(admin: KeyedClient, field: str, value: object) -> None:
    check_error(change(admin, made(admin)["id"], **{field: value}), 400, field)


def test_a_new_limit_holds_from_the_next_request_on(
    admin: KeyedClient, new_client: NewClient
) -> None:
    user = new_client(scopes=("read",))
    assert user.get(JOBS).status_code == 200
    change(admin, id_of(user), requests_per_minute=1)
    # If a new minute begins meanwhile, it still has two of the requests.
    assert 429 in {user.get(JOBS).status_code for _ in range(3)}


def test_a_revoked_key_is_refused_and_stays_listed(
    admin: KeyedClient, new_client: NewClient
) -> None:
    user = new_client(scopes=("read",))
    first, again = revoke(admin, id_of(user)), revoke(new_client(), id_of(user))
    assert [first.status_code, again.status_code] == [200, 200]
    assert first.json_body == again.json_body == shown(admin, id_of(user))
    assert (first.json_body["state"], first.json_body["revoked_by"]) == ("revoked", id_of(admin))
    assert first.json_body["revoked_at"] is not None
    assert user.get(JOBS).status_code == 403  # API Gateway returns 401: see tests/e2e
    assert id_of(user) in {each["id"] for each in admin.get(KEYS).json_body}


def test_a_revoked_key_cannot_be_changed(admin: KeyedClient) -> None:
    key = made(admin)
    revoke(admin, key["id"])
    details = check_error(change(admin, key["id"], images_per_day=7), 409)
    assert details["error"] == f"API key '{key['id']}' is revoked"
    assert shown(admin, key["id"])["images_per_day"] == 1000


@pytest.mark.parametrize("do", ["change", "revoke"])
@pytest.mark.parametrize("whose", ["own", "another's"])
def test_keys_of_admins_are_changed_and_revoked_by_an_operator(
    admin: KeyedClient, new_client: NewClient, do: str, whose: str
) -> None:
    other = id_of(admin if whose == "own" else new_client())
    answer = revoke(admin, other) if do == "revoke" else change(admin, other, images_per_day=1)
    details = check_error(answer, 403)
    refusal = f"cannot {do} itself" if whose == "own" else f"cannot be {do}d over HTTP"
    assert details["error"] == f"an API key with the scope 'admin' {refusal}"
    assert "`make " in details["suggestion"]
    assert (ApiKey.get(other).revoked_at, ApiKey.get(other).images_per_day) == (None, 1000)


@pytest.mark.parametrize(
    "key_id",
    [UNKNOWN, "admin1234567", "x", "x" * 3000, "A" * 12, "dk_abcdefghijkl", "%20"],
)
def test_a_key_that_does_not_exist_is_404(admin: KeyedClient, key_id: str) -> None:
    answers = [
        admin.get(f"{KEYS}/{key_id}"),
        change(admin, key_id, images_per_day=7),
        change(admin, key_id),
        revoke(admin, key_id),
    ]
    for each in answers:
        check_error(each, 404)
        assert each.json_body["message"] == "API key not found"
    assert len([*ApiKey.scan()]) == 1


def test_a_secret_in_the_path_is_not_repeated(admin: KeyedClient) -> None:
    token = made(admin)["key"]
    assert token[16:] not in json.dumps(check_error(admin.get(f"{KEYS}/{token}"), 404))


@pytest.mark.parametrize("scopes", [("read",), ("generate",), ("read", "generate")])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", KEYS, None),
        ("POST", KEYS, SHOP),
        ("GET", f"{KEYS}/{UNKNOWN}", None),
        ("PATCH", f"{KEYS}/{UNKNOWN}", {}),
        ("POST", f"{KEYS}/{UNKNOWN}/revoke", None),
    ],
)
def test_only_admins_may_use_these_routes(
    new_client: NewClient, scopes: tuple[str, ...], method: str, path: str, body: object
) -> None:
    details = check_error(send(new_client(scopes=scopes), method, path, body), 403)
    assert details["error"] == "this API key lacks the scope 'admin'"


def test_a_key_that_stores_the_scope_admin_without_such_an_id_is_no_admin(
    admin: KeyedClient, new_client: NewClient
) -> None:
    user = new_client(scopes=("read",))
    ApiKey(id_of(user)).update([ApiKey.scopes.set(["read", "admin"])])
    check_error(user.get(KEYS), 403)
    assert shown(admin, id_of(user))["scopes"] == ["read"]


def test_each_change_is_logged_once_with_its_maker_and_no_secret(
    admin: KeyedClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "darkroom.keys"):
        key = made(admin)
        change(admin, key["id"], images_per_day=7, never_expires=True)
        for _ in range(2):
            revoke(admin, key["id"])
    logged = [cast("Any", each) for each in caplog.records]
    assert [each.getMessage() for each in logged] == [
        f"API key {key['id']} {how}" for how in ("created", "changed", "revoked")
    ]
    assert {(each.changed_key, each.changed_by) for each in logged} == {(key["id"], id_of(admin))}
    assert logged[0].changes["owner"] == "shop-team"
    assert logged[1].changes == {"images_per_day": 7, "expires_at": None}
    assert key["key"][16:] not in str([vars(each) for each in logged])


def calls_of(method: str, path: str, body: object = None) -> list[str]:
    """Return the calls of DynamoDB that the API function makes, one after the other."""
    parts_of_path = path.removeprefix(KEYS).split("/")[1:]
    route = "/".join([KEYS, *["{key_id}", *parts_of_path[1:]][: len(parts_of_path)]])
    event = event_of(method, path, route, None if body is None else json.dumps(body))
    event["pathParameters"] = {"key_id": parts_of_path[0]} if parts_of_path else None
    with stand_in(wanted="no call", fail=lambda *_: {}) as client:
        assert app.app(event, None)["statusCode"] < 300
    return client.calls


@pytest.mark.parametrize("others", [0, 70])
def test_no_route_calls_dynamodb_more_often_where_there_are_more_keys(
    aws: None, others: int
) -> None:
    for _ in range(others):
        create("other")
    one = f"{KEYS}/{parts(create('shop'))[0]}"
    assert calls_of("GET", KEYS) == ["Query", "BatchGetItem"]
    assert calls_of("POST", KEYS, SHOP) == ["PutItem"]
    assert calls_of("GET", one) == ["GetItem"]
    assert calls_of("PATCH", one, {"images_per_day": 7}) == ["UpdateItem"]
    assert calls_of("PATCH", one) == ["GetItem"]
    assert calls_of("POST", f"{one}/revoke") == ["UpdateItem"]
    assert calls_of("POST", f"{one}/revoke") == ["UpdateItem", "GetItem"]


def test_a_creation_that_dynamodb_throttles_makes_no_key(
    admin: KeyedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.models.table.sleep", lambda _: None)
    with refused("PutItem", error("ThrottlingException", "PutItem"), times=50):
        answer = send(admin, "POST", KEYS, SHOP)
    check_error(answer, 503)
    assert "Retry-After" in answer.headers
    assert len(admin.get(KEYS).json_body) == 1


def test_a_creation_whose_answer_dynamodb_loses_makes_one_key_that_works(
    admin: KeyedClient,
) -> None:
    with lost_answer("PutItem"):
        key = made(admin)
    assert len(admin.get(KEYS).json_body) == 2
    admin.token = key["key"]
    assert admin.get(JOBS).status_code == 200

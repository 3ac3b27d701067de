"""API keys: the authorizer, scopes and limits, and which jobs an owner sees."""

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from chalice import Chalice
from chalice.app import AuthRequest
from chalice.test import Client, TestHTTPClient

import app
from chalicelib.api.authorizer import authorize
from chalicelib.models.keys.api_key import ApiKey, parts
from infra.keys import create
from tests.api.calls import JOBS, SETTINGS, generate_later, send
from tests.api.gateway import Gateway, event_of
from tests.api.keyed import KeyedClient, keyed

ARN = "arn:aws:execute-api:us-east-1:123456789012:api/live/GET/api/images/jobs"
SETTING = {"name": "a", "value": "b", "description": ""}
DENIED = {"effect": "Deny"}
NewClient = Callable[..., KeyedClient]


@pytest.fixture
def new_client(aws: None) -> NewClient:
    """A function that returns a client with a new key."""
    gateway = cast("Chalice", Gateway(app.app))
    return lambda **wanted: keyed(Client(gateway), gateway, **wanted)


def decide(token: str) -> dict[str, Any]:
    """Return the authorizer's effect, and the context that it passes to the API."""
    decided = authorize.func(AuthRequest("TOKEN", token, ARN))
    [statement] = decided["policyDocument"]["Statement"]
    assert statement["Resource"] == [ARN]
    return {"effect": statement["Effect"], **decided["context"]}


def revoke(token: str) -> None:
    key_id, _ = parts(token)
    assert ApiKey(key_id).revoke(now=1.0)


def test_the_authorizer_passes_the_owner_scopes_and_limits_but_not_the_secret(aws: None) -> None:
    token = create("ci", owner="ada", images_per_day=7)
    decided = decide(f"Bearer {token}")
    assert decided.pop("effect") == "Allow"
    assert decided.pop("key_id") == parts(token)[0]
    limits = {"images_per_day": 7, "megapixel_steps_per_day": 72_000}
    assert decided == {"owner": "ada", "scopes": '["read", "generate"]'} | limits


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {} "])
def test_the_bearer_scheme_may_differ_in_case_and_spaces(aws: None, form: str) -> None:
    assert decide(form.format(create("ci")))["effect"] == "Allow"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer dk_", "Basic YTpi", "Bearer dk_aaaaaaaaaaaa_" + "b" * 43],
)
def test_a_header_without_a_valid_key_is_denied(aws: None, header: str) -> None:
    assert decide(header) == DENIED


@pytest.mark.parametrize("form", ["{}", "Basic {}", "Bearer{}", "Bearer: {}", " {}"])
def test_a_key_without_the_bearer_scheme_is_denied(aws: None, form: str) -> None:
    assert decide(form.format(create("ci"))) == DENIED


def test_a_key_with_a_wrong_secret_is_denied(aws: None) -> None:
    token = create("ci")
    assert decide(f"Bearer {token[:-1]}" + ("A" if token[-1] != "A" else "B")) == DENIED


def test_an_expired_key_is_denied(aws: None) -> None:
    token = create("ci", days=1)
    key = ApiKey.get(parts(token)[0])
    key.update([ApiKey.expires_at.set(1)])
    assert decide(f"Bearer {token}") == DENIED


def test_a_revoked_key_is_denied_from_the_next_request_on(new_client: NewClient) -> None:
    http = new_client()
    assert http.get(JOBS).status_code == 200
    revoke(http.token)
    assert decide(http.token) == DENIED
    assert http.get(JOBS).status_code == 403  # API Gateway returns 401: see tests/e2e


def test_only_a_hash_of_the_secret_is_stored(aws: None) -> None:
    token = create("ci")
    [stored] = ApiKey.scan()
    assert token[16:] not in json.dumps(stored.to_simple_dict())


def test_every_route_but_preflights_has_the_authorizer() -> None:
    routes = [route for methods in app.app.routes.values() for route in methods.values()]
    assert routes
    assert all(route.authorizer is authorize for route in routes)


def test_without_an_authorizer_the_api_returns_401(aws: None) -> None:
    event = event_of("GET", JOBS, JOBS)
    del event["requestContext"]["authorizer"]
    answer = app.app(event, None)
    assert answer["statusCode"] == 401
    assert answer["headers"]["WWW-Authenticate"] == "Bearer"
    assert json.loads(answer["body"])["message"] == "API key required"


@pytest.mark.parametrize(
    ("scope", "method", "path", "body"),
    [
        ("generate", "GET", JOBS, None),
        ("read", "POST", "/api/images/generate", {"prompt": "x"}),
        ("read", "POST", "/api/v1/posts/7/generate_images", {"prompt": "x"}),
        ("read", "POST", f"{JOBS}/01ARZ3NDEKTSV4RRFFQ69G5FAV/cancel", None),
        ("read", "POST", "/api/images/comfyui/start", None),
        ("generate", "POST", "/api/images/comfyui/stop", None),
        ("generate", "POST", SETTINGS, SETTING),
        ("generate", "PUT", f"{SETTINGS}/1", SETTING),
        ("generate", "DELETE", f"{SETTINGS}/1", None),
        ("read", "GET", "/api/images/usage", None),
    ],
)
def test_a_key_without_the_scope_is_refused(
    new_client: NewClient, scope: str, method: str, path: str, body: object
) -> None:
    answer = send(new_client(scopes=(scope,)), method, path, body)
    assert answer.status_code == 403
    assert answer.json_body["details"]["error"].startswith("this API key lacks the scope ")


def test_the_read_scope_can_read_and_the_generate_scope_can_generate(
    new_client: NewClient, comfyui: str
) -> None:
    reader, generator = new_client(scopes=("read",)), new_client(scopes=("generate",))
    for path in (JOBS, SETTINGS, "/api/images/comfyui/status", "/api/v1/posts/7/images"):
        assert reader.get(path).status_code == 200, path
    assert generate_later(generator).status_code == 202


def test_owners_see_their_own_jobs_and_an_admin_sees_all(
    new_client: NewClient, comfyui: str
) -> None:
    ada, bob, admin = new_client(**_user("ada")), new_client(**_user("bob")), new_client()
    mine, other = (generate_later(each).json_body["id"] for each in (ada, bob))
    assert [job["id"] for job in ada.get(JOBS).json_body] == [mine]
    assert [job["id"] for job in new_client(**_user("ada")).get(JOBS).json_body] == [mine]
    assert [job["id"] for job in admin.get(JOBS).json_body] == [other, mine]
    assert admin.get(f"{JOBS}/{other}").status_code == 200


def test_other_owners_jobs_return_404(new_client: NewClient, comfyui: str) -> None:
    ada, bob = new_client(**_user("ada")), new_client(**_user("bob"))
    job_id = generate_later(bob).json_body["id"]
    unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    for method, path in (("GET", ""), ("POST", "/cancel")):
        seen = [send(ada, method, f"{JOBS}/{each}{path}") for each in (job_id, unknown)]
        assert [each.status_code for each in seen] == [404, 404]
        assert seen[0].body.decode().replace(job_id, unknown) == seen[1].body.decode()
    assert ada.get(f"/api/images/files/{job_id}-0").status_code == 404
    assert bob.get(f"{JOBS}/{job_id}").json_body["status"] == "queued"


def test_an_owners_jobs_are_paged_and_can_be_filtered_by_status(
    new_client: NewClient, comfyui: str
) -> None:
    ada, bob = new_client(**_user("ada")), new_client(**_user("bob"))
    ids = [generate_later(each).json_body["id"] for each in (ada, bob, ada, bob, ada)]
    send(ada, "POST", f"{JOBS}/{ids[2]}/cancel")
    first = ada.get(f"{JOBS}?limit=2")
    assert [job["id"] for job in first.json_body] == [ids[4], ids[2]]
    assert "Link" in first.headers
    queued = ada.get(f"{JOBS}?status=queued").json_body
    assert [job["id"] for job in queued] == [ids[4], ids[0]]


def test_a_post_lists_only_the_owners_images(new_client: NewClient, comfyui: str) -> None:
    ada, bob, admin = new_client(**_user("ada")), new_client(**_user("bob")), new_client()
    post = "/api/v1/posts/7"
    body = {"prompt": "x", "width": 64, "height": 64}
    assert send(ada, "POST", f"{post}/generate_images", body).status_code == 200
    counts = [len(each.get(f"{post}/images").json_body) for each in (ada, bob, admin)]
    assert counts == [1, 0, 1]


def test_two_owners_can_use_the_same_idempotency_key(new_client: NewClient, comfyui: str) -> None:
    body, headers = {"prompt": "x"}, {"idempotency_key": "1", "prefer": "respond-async"}
    ada, bob = new_client(**_user("ada")), new_client(**_user("bob"))
    ids = [
        send(each, "POST", "/api/images/generate", body, **headers).json_body["id"]
        for each in (ada, bob, ada)
    ]
    assert ids[0] == ids[2] != ids[1]


def test_a_key_over_its_requests_per_minute_gets_429_with_retry_after(
    new_client: NewClient,
) -> None:
    http = new_client(requests_per_minute=3)
    answers = [http.get(JOBS) for _ in range(7)]
    # If a new minute begins meanwhile, one of the two minutes still has four of the requests.
    assert [each.status_code for each in answers].count(429) >= 1
    refused = next(each for each in answers if each.status_code == 429)
    assert refused.json_body["message"] == "Too many requests"
    assert 1 <= int(refused.headers["Retry-After"]) <= 61


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("POST", "/"), ("DELETE", "/api/images/styles"), ("HEAD", JOBS)],
)
def test_requests_per_minute_also_limit_unknown_paths_and_methods(
    new_client: NewClient, method: str, path: str
) -> None:
    response = send(new_client(requests_per_minute=0), method, path)
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 61


def test_a_key_over_its_images_per_day_gets_429_with_retry_after(
    new_client: NewClient, comfyui: str
) -> None:
    http = new_client(images_per_day=4)
    post = "/api/v1/posts/7/generate_images"
    asked = [3, 2, 1, 1]
    answers = [
        send(http, "POST", post, {"prompt": "x", "count": count}, prefer="respond-async")
        for count in asked
    ]
    assert [each.status_code for each in answers] == [202, 429, 202, 429]
    assert answers[-1].json_body["details"]["error"] == "this API key may ask for 4 images a day"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 86_401
    assert len(http.get(JOBS).json_body) == 4


def test_a_repeated_request_counts_once_against_images_per_day(
    new_client: NewClient, comfyui: str
) -> None:
    http = new_client(images_per_day=1)
    for _ in range(3):
        assert (
            send(
                http,
                "POST",
                "/api/images/generate",
                {"prompt": "x"},
                idempotency_key="1",
                prefer="respond-async",
            ).status_code
            == 202
        )


def test_a_refused_request_does_not_count_against_images_per_day(
    new_client: NewClient, comfyui: str
) -> None:
    http = new_client(images_per_day=1)
    assert generate_later(http, width=1).status_code == 400
    assert generate_later(http, style_id=999).status_code == 400
    assert generate_later(http).status_code == 202


def test_the_queue_alternates_between_owners(new_client: NewClient, comfyui: str) -> None:
    ada, bob = new_client(**_user("ada")), new_client(**_user("bob"))
    ids = [generate_later(each).json_body["id"] for each in (ada, ada, ada, bob)]
    positions = {each["id"]: each["queue_position"] for each in new_client().get(JOBS).json_body}
    assert [positions[each] for each in ids] == [0, 2, 3, 1]


def test_a_key_in_the_query_string_is_not_accepted(http: TestHTTPClient) -> None:
    token = cast("KeyedClient", http).token
    cast("KeyedClient", http).token = ""
    assert http.get(f"{JOBS}?authorization=Bearer%20{token}").status_code == 401


def _user(owner: str) -> dict[str, Any]:
    return {"owner": owner, "scopes": ("read", "generate")}

"""A wait that is longer than one response: redirects that end in what `generate` answers."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from time import time
from typing import Any, cast
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from chalice import Chalice
from chalice.app import AuthRequest
from chalice.test import Client, HTTPResponse, TestHTTPClient

from chalicelib.api.authorizer import authorize
from chalicelib.models.keys.api_key import ApiKey, parts
from infra.keys import create
from tests.api.calls import JOBS, path_of, picture, send
from tests.api.contract import check_cors, check_error
from tests.api.gateway import BASE_URL, Gateway
from tests.api.keyed import keyed
from tests.api.working import workers
from tests.models.failing_dynamodb import refused

GENERATE, POST = "/api/images/generate", "/api/v1/posts/7/generate_images"
BODY = {"prompt": "a pier", "width": 64, "height": 64, "seed": 3}
OWN_WAIT = 25
REFUSAL = ClientError({"Error": {"Code": "ValidationException"}}, "UpdateItem")


@pytest.fixture
def late(http: TestHTTPClient, gateway: Gateway, comfyui: str) -> TestHTTPClient:
    """A client whose requests have waited as long as one may, and no worker runs."""
    gateway.seconds_ago = OWN_WAIT
    return http


def ask(http: TestHTTPClient, path: str = GENERATE, **headers: str) -> HTTPResponse:
    body = {**BODY, "count": 2} if path.startswith(POST) else BODY
    return send(http, "POST", path, body, **headers)


def follow(http: TestHTTPClient, redirect: HTTPResponse, method: str = "GET") -> HTTPResponse:
    assert redirect.status_code == 303, redirect.body
    return send(http, method, path_of(redirect.headers["Location"]))


def cancel_all(http: TestHTTPClient, redirect: HTTPResponse) -> None:
    body = redirect.json_body
    for job in body.get("jobs", [body]):
        assert send(http, "POST", f"/api/images/jobs/{job['id']}/cancel").status_code == 200


def encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def parts_of(redirect: HTTPResponse) -> list[Any]:
    """Return what a result address says."""
    content = redirect.headers["Location"].rpartition("/")[2]
    parts: list[Any] = json.loads(urlsafe_b64decode(f"{content}==="))
    return parts


def unsigned(body: Any) -> str:
    """Return a body without the signatures of its links."""
    urls = body.get("image_urls") or [body["image_url"]]
    return str({**body, "image_url": "", "image_urls": [each.partition("?")[0] for each in urls]})


@pytest.mark.parametrize("path", [GENERATE, POST])
def test_a_long_wait_is_redirected_to_a_result_address(late: TestHTTPClient, path: str) -> None:
    answer = ask(late, f"{path}?wait=300")
    assert answer.status_code == 303
    assert path_of(answer.headers["Location"]).startswith("/api/images/results/")
    assert answer.headers["Cache-Control"] == "no-store"
    check_cors(answer.headers)
    jobs = answer.json_body.get("jobs", [answer.json_body])
    assert {job["finished_at"] for job in jobs} == {None}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_result_address_redirects_again_until_18_hops_and_then_answers_202(
    late: TestHTTPClient, method: str
) -> None:
    answer, addresses = ask(late, f"{GENERATE}?wait=450"), set[str]()
    while answer.status_code == 303:
        addresses.add(answer.headers["Location"])
        answer = follow(late, answer, method)
    assert len(addresses) == 18
    job = answer.json_body
    assert (answer.status_code, job["finished_at"]) == (202, None)
    assert path_of(answer.headers["Location"]) == f"/api/images/jobs/{job['id']}"
    assert answer.headers["Retry-After"] == "2"


def test_an_address_with_the_jobs_of_others_or_for_another_route_is_refused(
    late: TestHTTPClient,
) -> None:
    [chain, hop, until, is_post, ids, *more] = parts_of(ask(late, f"{POST}?wait=300"))
    for changed in ([chain, hop, until, False, ids], [chain, hop, until, is_post, ids[:1] * 2]):
        address = encoded(json.dumps([*changed, *more]).encode())
        check_error(late.get(f"/api/images/results/{address}"), 404)


def test_the_redirect_of_a_post_names_all_of_its_jobs(late: TestHTTPClient) -> None:
    answer = ask(late, f"{POST}?wait=300")
    links = [f'<{BASE_URL}{JOBS}/{job["id"]}>; rel="item"' for job in answer.json_body["jobs"]]
    assert len(links) == 2
    assert answer.headers["Link"] == ", ".join(links)
    assert follow(late, answer).headers["Link"] == answer.headers["Link"]


def test_a_batch_has_no_wait(http: TestHTTPClient, comfyui: str) -> None:
    answer = send(http, "POST", f"{JOBS}/batch?wait=abc", {"requests": [BODY]})
    assert (answer.status_code, answer.json_body["results"][0]["status"]) == (200, 202)


def test_the_chain_ends_with_the_wait_that_was_asked_for(
    late: TestHTTPClient, gateway: Gateway
) -> None:
    redirect = ask(late, f"{GENERATE}?wait=26")
    gateway.seconds_ago, began = 0, time()
    assert follow(late, redirect).status_code == 202
    assert 0.5 < time() - began < 5


@pytest.mark.parametrize("path", [GENERATE, POST])
def test_the_result_is_exactly_what_the_request_itself_would_have_answered(
    late: TestHTTPClient, gateway: Gateway, path: str
) -> None:
    asked = {"idempotency_key": "once", "prefer": "respond-async, wait=300"}
    redirect = ask(late, path, **asked)
    gateway.seconds_ago = 0
    with workers():
        result = follow(late, redirect)
    itself = ask(late, path, **asked)
    assert (result.status_code, itself.status_code) == (200, 200)
    assert result.headers == itself.headers
    assert result.headers["Preference-Applied"] == "respond-async, wait=300"
    assert unsigned(result.json_body) == unsigned(itself.json_body)
    for url in result.json_body.get("image_urls") or [result.json_body["image_url"]]:
        assert picture(url).size == (64, 64)


@pytest.mark.parametrize("path", [GENERATE, POST])
def test_a_job_that_failed_meanwhile_has_the_same_error(late: TestHTTPClient, path: str) -> None:
    redirect = ask(late, f"{path}?wait=300", idempotency_key="once")
    cancel_all(late, redirect)
    result, itself = follow(late, redirect), ask(late, path, idempotency_key="once")
    check_error(result, 409)
    assert (result.json_body, result.headers) == (itself.json_body, itself.headers)


def test_preferences_and_the_parameter_say_how_long(late: TestHTTPClient) -> None:
    preferred = ask(late, prefer="wait=300")
    assert (preferred.status_code, preferred.headers["Preference-Applied"]) == (303, "wait=300")
    both = ask(late, f"{GENERATE}?wait=5", prefer="wait=300")
    assert (both.status_code, "Preference-Applied" in both.headers) == (202, False)
    overruled = ask(late, f"{GENERATE}?wait=300", prefer="respond-async")
    assert (overruled.status_code, "Preference-Applied" in overruled.headers) == (303, False)
    assert ask(late, prefer="wait=25").status_code == 202
    assert ask(late, f"{GENERATE}?wait=0").status_code == 202
    assert ask(late).status_code == 202


@pytest.mark.parametrize("wait", ["", "-1", "451", "1.5", "soon", "٣", "9" * 5000])
def test_a_wait_that_is_no_number_of_seconds_is_refused(http: TestHTTPClient, wait: str) -> None:
    details = check_error(ask(http, f"{GENERATE}?wait={quote(wait)}"), 400, "wait")
    assert details["error"] == "wait must be a whole number of seconds from 0 to 450"
    assert http.get("/api/images/jobs").json_body == []


def test_another_owner_has_no_result(late: TestHTTPClient, gateway: Gateway) -> None:
    redirect, application = ask(late, f"{GENERATE}?wait=300"), cast("Chalice", gateway)
    with Client(application) as client:
        other = keyed(client, application, owner="other", scopes=("generate",))
        check_error(follow(other, redirect), 404)


RUBBISH = [
    "x",
    "%ff",
    "AAAA",
    encoded(b"[]"),
    encoded(b'{"id": 1}'),
    encoded(b'["' + b"a" * 32 + b'",1,9e9,false,[],null,null]'),
    encoded(b'["' + b"a" * 32 + b'",1,9e9,false,["start:a"],null,null]'),
    encoded(b'["' + b"a" * 32 + b'",19,9e9,false,["' + b"0" * 26 + b'"],null,null]'),
    encoded(b'["' + b"a" * 32 + b'",1,9e9,false,["' + b"0" * 26 + b'"],"a\\nb: c",null]'),
    encoded(b'["' + b"a" * 32 + b'",1,9e9,false,["' + b"0" * 26 + b'"],null,"a\\nb"]'),
    encoded(b'["' + b"a" * 32 + b'",1,9e9,false,["' + b"0" * 26 + b'"],null,null]'),
    encoded(
        b'["' + b"a" * 32 + b'",1,9e9,true,["' + b'0","'.join([b"0" * 25] * 2) + b'0"],null,null]'
    ),
]


@pytest.mark.parametrize("result_id", RUBBISH)
def test_an_address_that_was_not_given_is_not_found(http: TestHTTPClient, result_id: str) -> None:
    for method in ("GET", "POST"):
        response = send(http, method, f"/api/images/results/{result_id}")
        assert (
            check_error(response, 404)["error"]
            == "this is not a result address, or its jobs do not exist"
        )


def test_the_21st_chain_of_a_key_is_202(late: TestHTTPClient) -> None:
    answers = [ask(late, f"{GENERATE}?wait=300") for _ in range(21)]
    assert [each.status_code for each in answers] == [303] * 20 + [202]
    assert "Retry-After" in answers[20].headers


def test_a_chain_counts_once_however_many_hops_it_has(late: TestHTTPClient) -> None:
    answer = ask(late, f"{GENERATE}?wait=300")
    for _ in range(5):
        answer = follow(late, answer)
    others = [ask(late, f"{GENERATE}?wait=300").status_code for _ in range(20)]
    assert others == [303] * 19 + [202]
    assert follow(late, answer).status_code == 303


def test_a_chain_that_ended_makes_room_for_another(late: TestHTTPClient) -> None:
    redirects = [ask(late, f"{GENERATE}?wait=300") for _ in range(20)]
    cancel_all(late, redirects[0])
    assert follow(late, redirects[0]).status_code == 409
    assert ask(late, f"{GENERATE}?wait=300").status_code == 303


def test_a_job_is_accepted_even_if_its_chain_cannot_be_counted(late: TestHTTPClient) -> None:
    with refused("chains:", REFUSAL):
        answer = ask(late, f"{GENERATE}?wait=300")
    assert answer.status_code == 202, answer.body


def test_a_hop_counts_towards_no_limit_but_needs_a_valid_key(aws: None) -> None:
    token = create("ci", requests_per_minute=1)
    hop = "arn:aws:execute-api:us-east-1:123456789012:api/live/GET/api/images/results/WyJh_-0"
    assert [effect(token, hop) for _ in range(5)] == ["Allow"] * 5
    assert context(token, hop).keys() == context(token, hop.replace("/GET/", "/POST/")).keys()
    wrong = f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}"
    assert effect(wrong, hop) == "Deny"
    assert ApiKey(parts(token)[0]).revoke(now=1.0)
    assert effect(token, hop) == "Deny"


@pytest.mark.parametrize(
    "path",
    ["jobs/results/a", "results/a/b", "results/", "results/a/../../generate", "results/a\n"],
)
def test_other_paths_count(aws: None, path: str) -> None:
    token = create("ci", requests_per_minute=1)
    arn = f"arn:aws:execute-api:us-east-1:123456789012:api/live/GET/api/images/{path}"
    assert "refusal" not in context(token, arn)
    assert "refusal" in context(token, arn)


def decided(token: str, arn: str) -> dict[str, Any]:
    answer: dict[str, Any] = authorize.func(AuthRequest("TOKEN", f"Bearer {token}", arn))
    return answer


def effect(token: str, arn: str) -> str:
    [statement] = decided(token, arn)["policyDocument"]["Statement"]
    return str(statement["Effect"])


def context(token: str, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = decided(token, arn)["context"]
    return found

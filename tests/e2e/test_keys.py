"""API keys on the deployed stack: refused keys, scopes, and limits under concurrent requests."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from local.stack.api import Api
from tests.e2e.conftest import Stack
from tests.e2e.test_gateway import check_error

JOBS, KEYS = "/api/images/jobs", "/api/images/keys"


@pytest.mark.parametrize("path", [JOBS, "/api/images/styles", "/nothing"])
def test_every_path_returns_401_without_a_key(stack: Stack, path: str) -> None:
    answer = Api(stack.api.url, "").call("GET", path)
    check_error(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_unknown_key_is_refused(stack: Stack) -> None:
    answer = Api(stack.api.url, "dk_aaaaaaaaaaaa_" + "b" * 43).call("GET", JOBS)
    check_error(answer, 401)
    assert answer.json()["details"]["error"] == (
        "this API key is not known, has expired or was revoked"
    )


def invocations(stack: Stack) -> int:
    """Return how often the authorizer ran, according to its log."""
    logs = stack.emulator.client("logs")
    [group] = [
        each["logGroupName"]
        for each in logs.describe_log_groups()["logGroups"]
        if "AuthorizerLogs" in each["logGroupName"] or "Authorizer" in each["logGroupName"]
    ]
    events = logs.filter_log_events(logGroupName=group)["events"]
    return sum("START RequestId" in each["message"] for each in events)


@pytest.mark.parametrize("header", ["x", "Bearer x", "Basic eA==", "{key}", "Bearer{key}"])
def test_a_malformed_key_is_refused_before_the_authorizer_runs(stack: Stack, header: str) -> None:
    assert stack.call("GET", JOBS).ok
    before = invocations(stack)
    assert before
    headers = {"Authorization": header.format(key=stack.api.key)}
    answer = requests.get(f"{stack.api.url}{JOBS}", headers=headers, timeout=60)
    check_error(answer, 401)
    assert "Authorization: Bearer KEY" in answer.json()["details"]["error"]
    assert invocations(stack) == before


def test_requests_to_unknown_paths_count_against_the_limit(stack: Stack) -> None:
    api = stack.new_api("lost", "--requests-per-minute", "1")
    api.call("GET", "/nothing")
    answers = [api.call("GET", "/nothing") for _ in range(2)]
    assert 429 in {each.status_code for each in answers}, "two of the three are in one minute"


def test_a_second_key_of_an_owner_has_to_name_the_owner(stack: Stack) -> None:
    stack.keys("create", "twin")
    with pytest.raises(RuntimeError, match="OWNER='twin'"):
        stack.keys("create", "twin")
    assert stack.keys("create", "twin", "--owner", "twin")


def test_a_key_with_the_read_scope_cannot_generate(stack: Stack) -> None:
    reader = stack.new_api("reader", scopes="read")
    assert reader.call("GET", JOBS).status_code == 200
    check_error(reader.call("POST", "/api/images/generate", json={"prompt": "x"}), 403)


def test_a_revoked_key_is_refused_at_once(stack: Stack) -> None:
    api = stack.new_api("leaver")
    assert api.call("GET", JOBS).status_code == 200
    stack.keys("revoke", api.key.split("_")[1])
    check_error(api.call("GET", JOBS), 401)
    listed = stack.keys("list")
    [line] = [each for each in listed.splitlines() if "leaver" in each]
    assert line.endswith("revoked")
    assert api.key.split("_", 2)[2] not in listed


def test_concurrent_requests_cannot_exceed_the_images_per_day(stack: Stack) -> None:
    api = stack.new_api("many", "--images-per-day", "7")

    def ask(_: int) -> int:
        headers = {"Prefer": "respond-async"}
        body = {"prompt": "a fox", "width": 64, "height": 64, "steps": 1}
        return api.call("POST", "/api/images/generate", json=body, headers=headers).status_code

    with ThreadPoolExecutor(12) as callers:
        answers = Counter(callers.map(ask, range(24)))
    assert answers == {202: 7, 429: 17}


def test_concurrent_requests_cannot_exceed_the_requests_per_minute(stack: Stack) -> None:
    api = stack.new_api("often", "--requests-per-minute", "5")
    with ThreadPoolExecutor(12) as callers:
        answers = list(callers.map(lambda _: api.call("GET", JOBS), range(24)))
    admitted = sum(each.status_code == 200 for each in answers)
    assert 5 <= admitted <= 10, "5 a minute, or 10 if a new minute began meanwhile"
    refused = next(each for each in answers if each.status_code == 429)
    check_error(refused, 429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 61


def test_a_key_that_is_made_over_http_works_until_it_is_revoked(stack: Stack) -> None:
    body = {"name": "gallery", "owner": "gallery", "scopes": ["read"], "expires_in_days": 1}
    made = stack.call("POST", KEYS, json=body)
    assert made.status_code == 201, made.text
    user = Api(stack.api.url, made.json()["key"])
    assert user.call("GET", JOBS).json() == []
    check_error(user.call("GET", KEYS), 403)
    changed = stack.call("PATCH", made.headers["Location"], json={"images_per_day": 7})
    assert changed.json()["images_per_day"] == 7
    revoked = stack.call("POST", f"{made.headers['Location']}/revoke").json()
    assert (revoked["state"], revoked["revoked_by"]) == ("revoked", stack.api.key.split("_")[1])
    check_error(user.call("GET", JOBS), 401)
    assert revoked in stack.call("GET", KEYS).json()
    assert f"made by {revoked['created_by']}" in stack.keys("list")


def test_the_key_of_an_admin_cannot_be_revoked_over_http(stack: Stack) -> None:
    own = stack.api.key.split("_")[1]
    assert own.startswith("admin")
    check_error(stack.call("POST", f"{KEYS}/{own}/revoke"), 403)
    assert stack.call("GET", f"{KEYS}/{own}").json()["state"] == "active"

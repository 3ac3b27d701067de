"""API keys before the deployed stack: who is let in, and how limits hold when all come at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.api import Api
from tests.e2e.conftest import Stack
from tests.e2e.test_gateway import check_error

JOBS = "/api/images/jobs"


@pytest.mark.parametrize("path", [JOBS, "/api/images/styles", "/nothing"])
def test_without_a_key_nothing_is_served(stack: Stack, path: str) -> None:
    answer = Api(stack.api.url, "").call("GET", path)
    check_error(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("key", ["x", "dk_aaaaaaaaaaaa_" + "b" * 43])
def test_a_key_that_is_none_is_refused(stack: Stack, key: str) -> None:
    answer = Api(stack.api.url, key).call("GET", JOBS)
    check_error(answer, 401)
    assert answer.json()["details"]["error"] == (
        "this API key is not known, has expired or was revoked"
    )


def test_a_key_lacks_what_it_was_not_given(stack: Stack) -> None:
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


def test_images_at_once_are_as_many_as_a_day_has(stack: Stack) -> None:
    api = stack.new_api("many", "--images-per-day", "7")

    def ask(_: int) -> int:
        wishes = {"Prefer": "respond-async"}
        body = {"prompt": "a fox", "width": 64, "height": 64, "steps": 1}
        return api.call("POST", "/api/images/generate", json=body, headers=wishes).status_code

    with ThreadPoolExecutor(12) as callers:
        answers = Counter(callers.map(ask, range(24)))
    assert answers == {202: 7, 429: 17}


def test_requests_at_once_are_as_many_as_a_minute_has(stack: Stack) -> None:
    api = stack.new_api("often", "--requests-per-minute", "5")
    with ThreadPoolExecutor(12) as callers:
        answers = list(callers.map(lambda _: api.call("GET", JOBS), range(24)))
    admitted = sum(each.status_code == 200 for each in answers)
    assert admitted in (5, 10), "5 a minute, of which a second may just have begun"
    refused = next(each for each in answers if each.status_code == 429)
    check_error(refused, 429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 61

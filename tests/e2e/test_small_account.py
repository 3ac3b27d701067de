"""Waits where an account runs few functions at a time: short, and few of them."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.e2e.conftest import Stack, deployed

GENERATE = "/api/images/generate"
BODY = {"prompt": "a lighthouse", "width": 64, "height": 64}
OWN_WAIT, HOPS = 1, 18
LONG_BOOT = 3600.0


@pytest.fixture(scope="module")
def stack(packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment whose GPU does not boot in time, and whose requests wait for a second."""
    directory = tmp_path_factory.mktemp("small")
    with deployed(
        packaged,
        directory,
        boot_seconds=LONG_BOOT,
        SmallAccount="yes",
        LongestWaitSeconds=str(OWN_WAIT),
    ) as stack:
        yield stack


def wait_long(stack: Stack) -> requests.Response:
    return stack.call("POST", f"{GENERATE}?wait=450", json=BODY)


def test_two_callers_wait_to_the_end_and_a_third_one_does_not(stack: Stack) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=3) as pool:
        answers = list(pool.map(lambda _: wait_long(stack), range(3)))
    assert [each.status_code for each in answers] == [202] * 3
    assert time.monotonic() - began >= HOPS * OWN_WAIT
    refused, *hops = sorted(len(each.history) for each in answers)
    assert refused == 0
    assert 3 <= min(hops) <= max(hops) <= HOPS  # each takes a second, and its own time
    for each in answers:
        job = each.json()
        assert job["status"] in ("queued", "starting")
        assert each.headers["Location"] == f"{stack.api.url}/api/images/jobs/{job['id']}"
        assert each.headers["Retry-After"] == "2"


def test_the_longest_wait_is_18_times_that_of_one_request(stack: Stack) -> None:
    answer = stack.call(
        "POST", GENERATE, json=BODY, headers={"Prefer": "wait=450"}, allow_redirects=False
    )
    assert answer.status_code == 303
    assert answer.headers["Preference-Applied"] == f"wait={HOPS * OWN_WAIT}"

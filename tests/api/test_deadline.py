"""The deadline of a response: within the caller's wait, and before API Gateway times out."""

import threading
import time
from typing import Any

import pytest
from chalice.app import Request
from chalice.test import TestHTTPClient
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.deadline import Deadline, deadline
from chalicelib.bootstrap import services
from chalicelib.models.jobs.job import Job
from tests.api.calls import send
from tests.api.gateway import Gateway

STORING = 4.0  # seconds that are left when the wait ends
GATEWAY = 29.0
NOW = 1_800_000_000.0
SMALL = {"prompt": "a pier", "width": 64, "height": 64}


class Context:
    """Lambda's context of an invocation, as far as the deadline reads it."""

    def __init__(self, remaining_seconds: float) -> None:
        self._remaining_seconds = remaining_seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._remaining_seconds * 1000)


def deadline_of(
    *, ago: float = 0, remaining: float = 60, prefer: str = "", has_request_time: bool = True
) -> tuple[float, float]:
    """Return the seconds until the wait ends, and until the response has to be sent."""
    event: Any = {
        "requestContext": {
            "httpMethod": "POST",
            "resourcePath": "/",
            **({"requestTimeEpoch": int((NOW - ago) * 1000)} if has_request_time else {}),
        },
        "headers": {"prefer": prefer},
        "multiValueQueryStringParameters": None,
        "pathParameters": {},
        "body": None,
        "stageVariables": None,
        "isBase64Encoded": False,
    }
    by = deadline(Request(event, Context(remaining)), now=NOW)
    return by.wait_until - NOW if by.caller_waits else 0, by.answer_at - NOW


def test_the_wait_begins_when_api_gateway_received_the_request() -> None:
    assert deadline_of()[0] == pytest.approx(25)
    assert deadline_of(ago=10)[0] == pytest.approx(15)
    assert deadline_of(ago=10, prefer="wait=5")[0] == pytest.approx(-5)
    assert deadline_of(has_request_time=False)[0] == pytest.approx(25)


def test_the_wait_ends_before_the_function_times_out() -> None:
    assert deadline_of(remaining=10)[0] == pytest.approx(10 - STORING)


def test_a_caller_that_does_not_wait_has_a_wait_of_zero() -> None:
    assert deadline_of(prefer="respond-async")[0] == 0
    assert deadline_of(prefer="wait=0")[0] == 0


@given(
    ago=st.floats(-5, 40),
    remaining=st.floats(0, 30),
    asked=st.integers(0, 99),
)
def test_any_wait_leaves_time_to_store_the_image_and_to_respond(
    ago: float, remaining: float, asked: int
) -> None:
    wait, answer = deadline_of(ago=ago, remaining=remaining, prefer=f"wait={asked}")
    end = min(GATEWAY - max(ago, 0), remaining)
    assert answer <= end - 1 + 0.01
    if asked:
        assert wait <= min(asked - max(ago, 0), end - STORING) + 0.01


def test_run_returns_at_the_deadline_and_the_work_continues() -> None:
    may_end, has_ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(10)
        has_ended.set()

    assert not Deadline(0, time.time() + 0.05).run(work)
    may_end.set()
    assert has_ended.wait(10)


def test_run_returns_normally_when_the_work_raises() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    assert Deadline(0, time.time() + 10).run(fail)


def test_a_request_whose_wait_ended_before_the_function_started_is_queued(
    http: TestHTTPClient, gateway: Gateway, comfyui: str
) -> None:
    gateway.seconds_ago = 26
    response = send(http, "POST", "/api/images/generate", SMALL)
    assert (response.status_code, response.json_body["status"]) == (202, "queued")


def test_the_response_does_not_wait_for_a_driver_that_hangs(
    http: TestHTTPClient, gateway: Gateway, comfyui: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()
    monkeypatch.setattr(services().inline_driver, "drive", lambda *_, **__: may_end.wait(60))
    gateway.seconds_ago = 24.5  # of API Gateway's 29 seconds
    response = send(http, "POST", "/api/images/generate", SMALL)
    assert not may_end.is_set()
    may_end.set()
    assert response.status_code == 202
    assert Job.find(response.json_body["id"]).is_open

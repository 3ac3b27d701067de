"""What API Gateway adds: routing, its own errors, and CORS."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.e2e.conftest import Stack


def check_error(answer: requests.Response, status_code: int) -> None:
    assert answer.status_code == status_code, answer.text
    body = answer.json()
    assert body.keys() == {"status", "message", "details"}
    assert body["status"] == "error"
    assert {"error", "suggestion"} <= body["details"].keys()
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ["/", "/api", "/api/images/nothing", "/a/b/c/d/e", "/api/images"])
def test_an_unknown_path_is_not_found(stack: Stack, path: str) -> None:
    check_error(stack.call("GET", path), 404)


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "PUT"])
def test_the_error_for_a_wrong_method_lists_the_allowed_ones(stack: Stack, method: str) -> None:
    answer = stack.call(method, "/api/images/styles")
    check_error(answer, 405)
    assert answer.headers["Allow"] == "GET, POST"


def test_the_error_for_a_method_that_the_gateway_does_not_know_follows_the_contract(
    stack: Stack,
) -> None:
    check_error(stack.call("TRACE", "/api/images/styles"), 404)


def test_a_body_that_is_not_json_is_refused(stack: Stack) -> None:
    headers = {"Content-Type": "application/json"}
    answer = stack.call("POST", "/api/images/styles", data="{", headers=headers)
    check_error(answer, 400)


def test_a_body_over_the_limit_is_refused(stack: Stack) -> None:
    answer = stack.call("POST", "/api/images/generate", json={"prompt": "a" * 300_000})
    check_error(answer, 413)


def test_browsers_may_call_from_another_origin(stack: Stack) -> None:
    answer = stack.call("OPTIONS", "/api/images/generate", headers={"Origin": "https://a.example"})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    allowed = answer.headers["Access-Control-Allow-Headers"].split(",")
    assert {"Content-Type", "Prefer", "Idempotency-Key"} <= set(allowed)


def test_unicode_is_stored_unchanged(stack: Stack) -> None:
    style = {"name": "墨絵 🖌️", "description": "ünï", "prompt_template": "sumi-e של {prompt}"}
    created = stack.call("POST", "/api/images/styles", json=style)
    assert created.status_code == 201
    item = stack.call("GET", f"/api/images/styles/{created.json()['id']}").json()
    assert item == {"id": created.json()["id"], **style}


@contextmanager
def throttled(stack: Stack, function: str) -> Iterator[None]:
    """Throttle a function, as if the account had no concurrency left."""
    functions = stack.emulator.client("lambda")
    names = [each["FunctionName"] for each in functions.list_functions()["Functions"]]
    [name] = [each for each in names if f"-{function}" in each]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        functions.delete_function_concurrency(FunctionName=name)


@pytest.mark.parametrize("function", ["APIHandler", "Authorizer"])
def test_a_throttled_function_returns_503_with_retry_after(stack: Stack, function: str) -> None:
    with throttled(stack, function):
        answer = stack.call("POST", "/api/images/generate", json={"prompt": "a fox"})
    check_error(answer, 503)
    assert answer.headers["Retry-After"] == "2"
    assert "same Idempotency-Key" in answer.json()["details"]["suggestion"]
    assert stack.call("GET", "/api/images/styles").ok

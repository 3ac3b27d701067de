"""`Idempotency-Key`: a repeated request returns the same response and makes no second job."""

import json
from pathlib import Path
from typing import Any

from chalice.test import HTTPResponse, TestHTTPClient

from local.comfyui.background import serve
from tests.api.calls import JOBS, send
from tests.api.contract import check_error
from tests.conftest import Messages
from tests.environment import CHECKPOINT, COMFYUI_PORT

BODY: dict[str, Any] = {"prompt": "a pier", "width": 64, "height": 64}
SCHEDULE: dict[str, Any] = {"name": "a", "expression": "rate(1 day)", "request": BODY}
GENERATE = "/api/images/generate"
INVALID_KEYS = ["", " ", " a", "x" * 256, "é", "a\tb", "a\x7f", "🔑"]
VALID_KEYS = ["a", "x" * 255, "8e03978e-40d5-43dd-bc93-6894a57f9324", 'a "b", c/=~']


def ask(
    http: TestHTTPClient,
    key: str,
    body: object = BODY,
    path: str = "/api/images/generate",
    **more: str,
) -> HTTPResponse:
    return send(http, "POST", path, body, idempotency_key=key, **more)


def image_of(response: HTTPResponse) -> str:
    """Return an image's URL without its signature, which differs in every response."""
    url: str = response.json_body["image_url"]
    return url.partition("?")[0]


def test_a_repeated_request_returns_the_same_response_and_makes_no_second_job(
    http: TestHTTPClient, comfyui: str, sent: Messages
) -> None:
    first, second = ask(http, "k"), ask(http, "k")
    assert first.status_code == second.status_code == 200
    assert second.json_body["metadata"] == first.json_body["metadata"]
    assert image_of(second) == image_of(first)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Idempotency-Key"] == first.headers["Idempotency-Key"] == "k"
    assert len(http.get(JOBS).json_body) == len(sent) == 1


def test_a_repeated_body_may_differ_in_field_order_and_whitespace(
    http: TestHTTPClient, comfyui: str
) -> None:
    first = ask(http, "k")
    backwards = json.dumps(dict(reversed(BODY.items())), indent=4).encode()
    assert ask(http, "k", backwards).headers["Location"] == first.headers["Location"]


def test_a_repeated_body_may_write_null_and_whole_numbers_in_another_way(
    http: TestHTTPClient, comfyui: str
) -> None:
    first = ask(http, "k")
    for other in (
        {**BODY, "seed": None, "style_id": None},
        b'{"prompt": "a pier", "width": 64.0, "height": 6.4e1, "negative_prompt": null}',
    ):
        assert ask(http, "k", other).headers["Location"] == first.headers["Location"]


def test_a_schedule_that_is_created_again_may_have_null_in_its_request(
    http: TestHTTPClient,
) -> None:
    first = ask(http, "k", SCHEDULE, path="/api/images/schedules")
    request = {**SCHEDULE["request"], "seed": None, "width": 64.0}
    again = ask(http, "k", {**SCHEDULE, "request": request}, path="/api/images/schedules")
    assert again.status_code == first.status_code == 201
    assert again.json_body["id"] == first.json_body["id"]
    other = {**SCHEDULE, "request": {**request, "seed": 1}}
    check_error(ask(http, "k", other, path="/api/images/schedules"), 422)


def test_requests_with_different_keys_make_different_jobs(
    http: TestHTTPClient, comfyui: str
) -> None:
    locations = {ask(http, key).headers["Location"] for key in ("k", "K", "k ", "kk")}
    assert len(locations) == 4
    assert send(http, "POST", GENERATE, BODY).headers["Location"] not in locations


def test_a_key_with_another_body_returns_422(http: TestHTTPClient, comfyui: str) -> None:
    ask(http, "k")
    for other in ({"prompt": "a quay"}, {**BODY, "seed": 1}, {**BODY, "width": 72}):
        check_error(ask(http, "k", other), 422)
    assert len(http.get(JOBS).json_body) == 1


def test_a_key_at_another_path_returns_422(http: TestHTTPClient, comfyui: str) -> None:
    first = ask(http, "k", path="/api/v1/posts/1/generate_images")
    check_error(ask(http, "k"), 422)
    check_error(ask(http, "k", path="/api/v1/posts/2/generate_images"), 422)
    again = ask(http, "k", path="/api/v1/posts/1/generate_images")
    assert first.status_code == again.status_code == 200


def test_an_invalid_key_is_refused(http: TestHTTPClient, comfyui: str) -> None:
    for key in INVALID_KEYS:
        check_error(ask(http, key), 400, "Idempotency-Key")
    assert http.get(JOBS).json_body == []


def test_a_valid_key_is_echoed(http: TestHTTPClient, comfyui: str) -> None:
    for key in VALID_KEYS:
        response = ask(http, key, prefer="respond-async")
        assert response.status_code == 202
        assert response.headers["Idempotency-Key"] == key
    assert len(http.get(JOBS).json_body) == len(VALID_KEYS)


def test_an_asynchronous_request_can_be_repeated_to_wait_for_its_image(
    http: TestHTTPClient, comfyui: str, working: None
) -> None:
    first = ask(http, "k", prefer="respond-async")
    second = ask(http, "k")
    assert (first.status_code, second.status_code) == (202, 200)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.json_body["metadata"]["seed"] == first.json_body["seed"]
    assert len(http.get(JOBS).json_body) == 1


def test_a_finished_request_repeated_asynchronously_returns_its_image(
    http: TestHTTPClient, comfyui: str
) -> None:
    first = ask(http, "k")
    second = ask(http, "k", prefer="respond-async")
    assert (first.status_code, second.status_code) == (200, 200)
    assert image_of(second) == image_of(first)


def test_a_repeated_request_needs_no_comfyui(http: TestHTTPClient, tmp_path: Path) -> None:
    with serve(tmp_path, CHECKPOINT, port=COMFYUI_PORT):
        first = ask(http, "k")
    second = ask(http, "k")
    assert (first.status_code, second.status_code) == (200, 200)
    assert image_of(second) == image_of(first)


def test_a_request_that_was_refused_does_not_use_up_its_key(
    http: TestHTTPClient, tmp_path: Path
) -> None:
    check_error(ask(http, "k", {**BODY, "steps": 0}), 400, "steps")
    check_error(ask(http, "k", {**BODY, "style_id": 999}), 503)
    with serve(tmp_path, CHECKPOINT, port=COMFYUI_PORT):
        check_error(ask(http, "k", {**BODY, "style_id": 999}), 400, "style_id")
        assert ask(http, "k").status_code == 200


def test_a_repeated_request_for_a_post_returns_the_same_images(
    http: TestHTTPClient, comfyui: str, working: None
) -> None:
    path, body = "/api/v1/posts/7/generate_images", {**BODY, "count": 3}
    first, second = ask(http, "k", body, path), ask(http, "k", body, path)
    urls = [
        [url.partition("?")[0] for url in response.json_body["image_urls"]]
        for response in (first, second)
    ]
    assert urls[0] == urls[1]
    assert len(http.get(JOBS).json_body) == 3

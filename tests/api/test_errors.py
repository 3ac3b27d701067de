"""Every error has the same shape and can be read by browsers."""

import base64
import json

import boto3
import msgspec
import pytest
from chalice.test import HTTPResponse, TestHTTPClient

import app
from chalicelib.api.errors import STATUS_CODES, envelope
from chalicelib.errors import DarkroomError
from tests.api.calls import generate, send
from tests.api.contract import check_cors, check_error, has_text
from tests.api.gateway import Event, event_of

STYLE = {"name": "Mine", "description": "", "prompt_template": "x"}
INVALID_JSON = [
    b"{",
    b"{'name': 'x'}",
    b'{"name": "x"',
    b'{"name": "x"} trailing',
    b"\xff\xfe{\x00}",
    b'{"name": "\xff"}',
    b"\xef\xbb\xbf{}",
    b"name=x",
    b"[" * 100_000,
    b'{"name":' * 20_000,
]
# Each path, and the methods that the contract has for it.
SERVED = {
    "/api/images/generate": ["POST"],
    "/api/v1/posts/1/generate_images": ["POST"],
    "/api/v1/posts/1/images": ["GET"],
    "/api/images/jobs": ["GET"],
    "/api/images/jobs/batch": ["POST"],
    "/api/images/jobs/cancel": ["POST"],
    "/api/images/jobs/1": ["GET"],
    "/api/images/jobs/1/cancel": ["POST"],
    "/api/images/results/1": ["GET", "POST"],
    "/api/images/files/1": ["GET", "HEAD"],
    "/api/images/files/1/provenance": ["GET", "HEAD"],
    "/api/images/schedules": ["GET", "POST"],
    "/api/images/schedules/1": ["GET", "PUT", "DELETE"],
    **{f"/api/images/schedules/1/{what}": ["POST"] for what in ("pause", "resume", "run")},
    "/api/images/schedules/1/runs": ["GET"],
    "/api/images/usage": ["GET"],
    "/api/images/keys": ["GET", "POST"],
    "/api/images/keys/1": ["GET", "PATCH"],
    "/api/images/keys/1/revoke": ["POST"],
    "/api/images/comfyui/status": ["GET"],
    "/api/images/comfyui/instances": ["GET"],
    "/api/images/comfyui/start": ["POST"],
    "/api/images/comfyui/stop": ["POST"],
    **{
        f"/api/images/{catalog}{rest}": methods
        for catalog in ("settings", "styles", "formats", "prompt_examples")
        for rest, methods in (("", ["GET", "POST"]), ("/1", ["GET", "PUT", "DELETE"]))
    },
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
UNKNOWN = ["/", "/api", "/api/images", "/api/images/styles/1/2", "/favicon.ico", "/api/v1/posts/1"]


def invoke(event: Event) -> HTTPResponse:
    """Pass an event to the function itself: the test client answers unknown paths on its own."""
    return HTTPResponse.create_from_dict(app.app(event, None))


def error_types(kind: type[DarkroomError] = DarkroomError) -> set[type[DarkroomError]]:
    return {kind}.union(*(error_types(child) for child in kind.__subclasses__()))


def test_every_error_has_a_status_code() -> None:
    assert STATUS_CODES.keys() == error_types()
    assert all(400 <= status < 600 for status in STATUS_CODES.values())


def test_every_error_has_a_default_message_and_suggestion() -> None:
    for kind in error_types():
        assert has_text(kind.title), kind
        assert has_text(kind.suggestion), kind


def test_the_details_of_an_error_without_a_field_have_no_field() -> None:
    details = msgspec.to_builtins(envelope(DarkroomError("it broke")).details)
    assert details.keys() == {"error", "suggestion"}


def test_a_body_that_is_not_json_is_refused(http: TestHTTPClient) -> None:
    for body in INVALID_JSON:
        for path in ("/api/images/styles", "/api/images/generate"):
            check_error(send(http, "POST", path, body), 400)


def test_a_missing_body_is_refused(http: TestHTTPClient) -> None:
    for method, path in (("POST", "/api/images/generate"), ("PUT", "/api/images/styles/1")):
        check_error(send(http, method, path), 400)


def test_other_content_types_are_refused(http: TestHTTPClient) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "text/html", "json"):
        response = send(http, "POST", "/api/images/styles", STYLE, content_type=content_type)
        assert content_type in check_error(response, 415)["error"]


def test_a_body_over_the_limit_is_refused(http: TestHTTPClient) -> None:
    for path in ("/api/images/styles", "/api/images/generate"):
        details = check_error(send(http, "POST", path, b" " * 300_000), 413)
        assert "256 KB" in details["suggestion"]


def test_a_body_up_to_the_limit_is_read(http: TestHTTPClient) -> None:
    body = json.dumps(STYLE).encode()
    padding = b" " * (256 * 1024 - len(body))
    assert send(http, "POST", "/api/images/styles", body + padding).status_code == 201
    check_error(send(http, "POST", "/api/images/styles", body + padding + b" "), 413)


def test_an_unknown_id_is_not_found(http: TestHTTPClient) -> None:
    for path in ("styles/999", "jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV", "files/none"):
        check_error(http.get(f"/api/images/{path}"), 404)


def test_exactly_the_methods_of_the_contract_are_served(http: TestHTTPClient) -> None:
    for path, served in SERVED.items():
        for method in METHODS:
            response = send(http, method, path)
            if method in served:
                assert response.status_code != 405, (method, path)
                continue
            suggestion = check_error(response, 405)["suggestion"]
            allowed = response.headers["Allow"]
            assert sorted(allowed.split(", ")) == sorted(served), (method, path)
            assert allowed in suggestion


def test_a_request_with_the_method_trace_returns_404(http: TestHTTPClient) -> None:
    response = send(http, "TRACE", "/api/images/generate")
    check_error(response, 404)
    assert "Allow" not in response.headers


def test_the_contract_covers_every_route(http: TestHTTPClient) -> None:
    concrete = {path for route in app.app.routes for path in SERVED if matches(route, path)}
    assert concrete == SERVED.keys()
    assert len(app.app.routes) == len(SERVED) + len(["/", "/{proxy+}"])


def matches(route: str, path: str) -> bool:
    parts, given = route.split("/"), path.split("/")
    return len(parts) == len(given) and all(
        part == each or part.startswith("{") for part, each in zip(parts, given, strict=True)
    )


@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_path_returns_404_for_every_method(aws: None, method: str) -> None:
    for path in UNKNOWN:
        resource = "/" if path == "/" else "/{proxy+}"
        check_error(invoke(event_of(method, path, resource)), 404)


def test_a_body_that_is_not_valid_base64_is_refused(aws: None) -> None:
    event = event_of("POST", "/api/images/styles", "/api/images/styles", "é")
    check_error(invoke({**event, "isBase64Encoded": True}), 400)


def test_a_body_may_be_encoded_in_base64(aws: None) -> None:
    body = base64.b64encode(json.dumps(STYLE).encode()).decode()
    event = event_of("POST", "/api/images/styles", "/api/images/styles", body)
    assert invoke({**event, "isBase64Encoded": True}).status_code == 201


def test_an_event_of_another_service_is_an_internal_error(aws: None) -> None:
    events: list[Event] = [{}, {"requestContext": {}}, {"requestContext": {"resourcePath": "/x"}}]
    for event in events:
        check_error(invoke(event), 500)


@pytest.mark.parametrize("path", ["/api/images/styles", "/api/images/jobs"])
def test_the_error_for_a_failure_of_aws_reveals_no_internals(
    http: TestHTTPClient, path: str
) -> None:
    assert http.get(path).status_code == 200
    for table in ("catalog", "jobs"):
        boto3.client("dynamodb").delete_table(TableName=table)
    response = http.get(path)
    details = check_error(response, 500)
    assert response.json_body["message"] == "Internal server error"
    assert "Resource" not in details["error"]
    assert "Table" not in response.body.decode()


def test_browsers_may_read_every_successful_response(http: TestHTTPClient, comfyui: str) -> None:
    created = send(http, "POST", "/api/images/styles", STYLE)
    made = generate(http)
    file = f"/api/images/files/{made.headers['Location'].rpartition('/')[2]}-0"
    for response in (
        created,
        made,
        http.get("/api/images/jobs"),
        http.get("/api/images/comfyui/status"),
        http.get(file),
        http.delete(f"/api/images/styles/{created.json_body['id']}"),
    ):
        assert response.status_code in (200, 201, 302)
        check_cors(response.headers)

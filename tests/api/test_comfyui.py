"""`/api/images/comfyui`: the status of the GPU, and starting it."""

from chalice.test import TestHTTPClient

from tests.api.calls import generate, generate_later, send
from tests.api.contract import check_cors, check_error, has_text

STATUS, START = "/api/images/comfyui/status", "/api/images/comfyui/start"


def test_a_running_comfyui_is_ready(http: TestHTTPClient, comfyui: str) -> None:
    response = http.get(STATUS)
    assert response.status_code == 200
    assert response.json_body.keys() == {"status", "message"}
    assert response.json_body["status"] == "ready"
    assert "ready" in response.json_body["message"]
    check_cors(response.headers)


def test_a_comfyui_that_is_off_is_unavailable(http: TestHTTPClient) -> None:
    response = http.get(STATUS)
    assert response.status_code == 200
    assert response.json_body.keys() == {"status", "message"}
    assert response.json_body["status"] == "unavailable"
    assert has_text(response.json_body["message"])


def test_the_status_message_counts_the_waiting_jobs(http: TestHTTPClient, comfyui: str) -> None:
    assert "No jobs are waiting" in http.get(STATUS).json_body["message"]
    generate(http)
    assert "No jobs are waiting" in http.get(STATUS).json_body["message"]
    generate_later(http)
    assert "1 job waiting" in http.get(STATUS).json_body["message"]
    generate_later(http)
    assert "2 jobs waiting" in http.get(STATUS).json_body["message"]


def test_starting_a_running_comfyui_succeeds(http: TestHTTPClient, comfyui: str) -> None:
    for _ in range(2):
        response = send(http, "POST", START)
        assert response.status_code == 200
        assert response.json_body == {
            "status": "success",
            "message": "ComfyUI started successfully",
        }


def test_starting_ignores_the_request_body(http: TestHTTPClient, comfyui: str) -> None:
    for body in (None, {}, {"force": True}, b"no json"):
        assert send(http, "POST", START, body).status_code == 200
    assert send(http, "POST", START, b"x", content_type="text/plain").status_code == 200


def test_starting_a_comfyui_that_cannot_be_started_returns_503(http: TestHTTPClient) -> None:
    response = send(http, "POST", START)
    details = check_error(response, 503)
    assert "ComfyUI" in details["error"]
    assert response.headers["Retry-After"].isdigit()

"""Images that cannot be made: what the caller reads, and what is left behind."""

from chalice.test import TestHTTPClient

from tests.api.calls import JOBS, generate, generate_later, path_of, put_setting, send
from tests.api.contract import check_error
from tests.conftest import CHECKPOINT, Messages


def test_without_comfyui_nothing_is_accepted(http: TestHTTPClient, sent: Messages) -> None:
    for response in (generate(http), generate_later(http), generate_later(http, seed=1)):
        details = check_error(response, 503)
        assert "ComfyUI" in details["error"]
        assert "ComfyUI" in details["suggestion"]
        assert response.headers["Retry-After"].isdigit()
        assert "Location" not in response.headers
    assert http.get(JOBS).json_body == []
    assert len(sent) == 0


def test_without_comfyui_no_post_is_accepted(http: TestHTTPClient, sent: Messages) -> None:
    path = "/api/v1/posts/1/generate_images"
    check_error(send(http, "POST", path, {"prompt": "x", "count": 2}), 503)
    assert http.get(JOBS).json_body == []
    assert len(sent) == 0


def test_without_comfyui_a_wrong_request_is_still_wrong(http: TestHTTPClient) -> None:
    check_error(generate(http, width=1), 400, "width")


def test_a_checkpoint_that_comfyui_lacks_is_named_with_the_valid_ones(
    http: TestHTTPClient, comfyui: str
) -> None:
    put_setting(http, "default_checkpoint", "dreams/none.safetensors")
    response = generate(http)
    details = check_error(response, 500, "checkpoint")
    assert response.json_body["message"] == "Image generation failed"
    assert "dreams/none.safetensors" in details["error"]
    assert CHECKPOINT in details["suggestion"]
    assert "default_checkpoint" in details["suggestion"]


def test_a_sampler_that_comfyui_lacks_is_named(http: TestHTTPClient, comfyui: str) -> None:
    put_setting(http, "default_sampler", "dice")
    details = check_error(generate(http), 500, "sampler")
    assert "'dice'" in details["error"]
    assert "default_sampler" in details["suggestion"]


def test_a_failed_job_tells_what_its_request_was_told(http: TestHTTPClient, comfyui: str) -> None:
    put_setting(http, "default_scheduler", "whenever")
    details = check_error(generate(http), 500, "scheduler")
    [job] = http.get(JOBS).json_body
    assert (job["status"], job["image_urls"]) == ("failed", [])
    assert job["error"]["code"] == "workflow_rejected"
    assert job["error"]["message"] == details["error"]
    assert job["error"]["suggestion"] == details["suggestion"]
    assert job["finished_at"] >= job["created_at"]


def test_a_failed_request_is_repeated_as_it_ended(http: TestHTTPClient, comfyui: str) -> None:
    put_setting(http, "default_checkpoint", "none.safetensors")
    body = {"prompt": "x"}
    answers = [
        send(http, "POST", "/api/images/generate", body, idempotency_key="k") for _ in range(2)
    ]
    assert answers[0].json_body == answers[1].json_body
    check_error(answers[1], 500, "checkpoint")
    assert len(http.get(JOBS).json_body) == 1


def test_after_a_failure_the_next_image_is_made(http: TestHTTPClient, comfyui: str) -> None:
    put_setting(http, "default_checkpoint", "none.safetensors")
    check_error(generate(http), 500, "checkpoint")
    put_setting(http, "default_checkpoint", CHECKPOINT)
    assert generate(http).status_code == 200


def test_a_post_that_fails_is_answered_as_an_error(http: TestHTTPClient, comfyui: str) -> None:
    put_setting(http, "default_checkpoint", "none.safetensors")
    path = "/api/v1/posts/1/generate_images"
    response = send(http, "POST", path, {"prompt": "x", "count": 2})
    check_error(response, 500, "checkpoint")
    assert http.get("/api/v1/posts/1/images").json_body == []


def test_the_longest_texts_fit_where_they_are_stored(http: TestHTTPClient, comfyui: str) -> None:
    template = {"name": "Long", "description": "", "prompt_template": "😀" * 9_998}
    style_id = send(http, "POST", "/api/images/styles", template).json_body["id"]
    longest = "😀" * 10_000
    response = generate(http, prompt=longest, negative_prompt=longest, style_id=style_id)
    assert response.status_code == 200, response.body[:500]
    job = http.get(path_of(response.headers["Location"])).json_body
    assert len(job["metadata"]["prompt"]) == 20_000

"""Failed generations: the error that the caller gets, and the job that is stored."""

from chalice.test import TestHTTPClient

from local.comfyui.choices import SAMPLERS
from tests.api.calls import JOBS, generate, generate_later, path_of, put_setting, send
from tests.api.contract import check_error
from tests.conftest import Messages
from tests.environment import CHECKPOINT


def test_without_comfyui_generate_returns_503_and_stores_no_job(
    http: TestHTTPClient, sent: Messages
) -> None:
    for response in (generate(http), generate_later(http), generate_later(http, seed=1)):
        details = check_error(response, 503)
        assert "ComfyUI" in details["error"]
        assert "Try again later" in details["suggestion"]
        assert response.headers["Retry-After"].isdigit()
        assert "Location" not in response.headers
    assert http.get(JOBS).json_body == []
    assert len(sent) == 0


def test_without_comfyui_a_request_for_a_post_returns_503_and_stores_no_job(
    http: TestHTTPClient, sent: Messages
) -> None:
    path = "/api/v1/posts/1/generate_images"
    check_error(send(http, "POST", path, {"prompt": "x", "count": 2}), 503)
    assert http.get(JOBS).json_body == []
    assert len(sent) == 0


def test_without_comfyui_an_invalid_request_still_returns_400(http: TestHTTPClient) -> None:
    check_error(generate(http, width=1), 400, "width")


def test_the_error_for_an_unknown_checkpoint_names_it_and_the_valid_ones(
    http: TestHTTPClient, comfyui: str
) -> None:
    put_setting(http, "default_checkpoint", "dreams/none.safetensors")
    response = generate(http)
    details = check_error(response, 500, "checkpoint")
    assert response.json_body["message"] == "Image generation failed"
    assert "dreams/none.safetensors" in details["error"]
    assert CHECKPOINT in details["suggestion"]
    assert "default_checkpoint" in details["suggestion"]


def test_the_error_for_an_unknown_sampler_names_it_and_the_valid_ones(
    http: TestHTTPClient, comfyui: str
) -> None:
    put_setting(http, "default_sampler", "dice")
    details = check_error(generate(http), 500, "sampler")
    assert "'dice'" in details["error"]
    assert "default_sampler" in details["suggestion"]
    assert details["suggestion"].endswith(f"Choose one of: {', '.join(SAMPLERS)}")


def test_a_failed_job_shows_the_error_that_its_request_returned(
    http: TestHTTPClient, comfyui: str
) -> None:
    put_setting(http, "default_scheduler", "whenever")
    details = check_error(generate(http), 500, "scheduler")
    [job] = http.get(JOBS).json_body
    assert (job["status"], job["image_urls"]) == ("failed", [])
    assert job["error"]["code"] == "workflow_rejected"
    assert job["error"]["message"] == details["error"]
    assert job["error"]["suggestion"] == details["suggestion"]
    assert job["finished_at"] >= job["created_at"]


def test_a_repeated_request_returns_the_error_of_its_failed_job(
    http: TestHTTPClient, comfyui: str
) -> None:
    put_setting(http, "default_checkpoint", "none.safetensors")
    body = {"prompt": "x"}
    answers = [
        send(http, "POST", "/api/images/generate", body, idempotency_key="k") for _ in range(2)
    ]
    assert answers[0].json_body == answers[1].json_body
    check_error(answers[1], 500, "checkpoint")
    assert len(http.get(JOBS).json_body) == 1


def test_after_a_failure_the_next_image_is_generated(http: TestHTTPClient, comfyui: str) -> None:
    put_setting(http, "default_checkpoint", "none.safetensors")
    check_error(generate(http), 500, "checkpoint")
    put_setting(http, "default_checkpoint", CHECKPOINT)
    assert generate(http).status_code == 200


def test_a_post_whose_images_all_fail_returns_an_error(http: TestHTTPClient, comfyui: str) -> None:
    put_setting(http, "default_checkpoint", "none.safetensors")
    path = "/api/v1/posts/1/generate_images"
    response = send(http, "POST", path, {"prompt": "x", "count": 2})
    check_error(response, 500, "checkpoint")
    assert http.get("/api/v1/posts/1/images").json_body == []


def test_the_longest_texts_can_be_stored(http: TestHTTPClient, comfyui: str) -> None:
    template = {"name": "Long", "description": "", "prompt_template": "😀" * 9_998}
    style_id = send(http, "POST", "/api/images/styles", template).json_body["id"]
    longest = "😀" * 10_000
    response = generate(http, prompt=longest, negative_prompt=longest, style_id=style_id)
    assert response.status_code == 200, response.body[:500]
    job = http.get(path_of(response.headers["Location"])).json_body
    assert len(job["metadata"]["prompt"]) == 20_000

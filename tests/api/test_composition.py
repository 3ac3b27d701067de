"""Where the parameters of an image come from: request, format, settings, built-in defaults."""

from typing import Any

from chalice.test import HTTPResponse, TestHTTPClient

from tests.api.calls import SETTINGS, generate, graph_of, put_setting, send
from tests.api.contract import check_error

BUILT_IN = {
    "negative_prompt": "",
    "width": 512,
    "height": 512,
    "steps": 20,
    "cfg_scale": 7.0,
}


def ask(http: TestHTTPClient, **wanted: object) -> HTTPResponse:
    """Request an image with a prompt and the given fields only."""
    response = send(http, "POST", "/api/images/generate", {"prompt": "a lynx", **wanted})
    assert response.status_code == 200, response.body
    return response


def generated_metadata(http: TestHTTPClient, **wanted: object) -> dict[str, Any]:
    found: dict[str, Any] = ask(http, **wanted).json_body["metadata"]
    return found


def create(http: TestHTTPClient, catalog: str, **body: object) -> int:
    body = {"name": "mine", "description": "", **body}
    item_id: int = send(http, "POST", f"/api/images/{catalog}", body).json_body["id"]
    return item_id


def delete_all_settings(http: TestHTTPClient) -> None:
    for setting in http.get(SETTINGS).json_body:
        http.delete(f"{SETTINGS}/{setting['id']}")


def test_without_settings_the_built_in_defaults_apply(http: TestHTTPClient, comfyui: str) -> None:
    delete_all_settings(http)
    found = generated_metadata(http)
    assert {name: found[name] for name in BUILT_IN} == BUILT_IN


def test_settings_are_the_defaults_of_fields_that_are_left_out(
    http: TestHTTPClient, comfyui: str
) -> None:
    defaults = {"width": 96, "height": 104, "steps": 4, "cfg_scale": 3.5, "negative_prompt": "fog"}
    for name, value in defaults.items():
        put_setting(http, f"default_{name}", str(value))
    found = generated_metadata(http)
    assert {name: found[name] for name in defaults} == defaults


def test_sampler_and_scheduler_come_from_settings(http: TestHTTPClient, comfyui: str) -> None:
    put_setting(http, "default_sampler", "dpmpp_2m")
    put_setting(http, "default_scheduler", "karras")
    inputs = graph_of(ask(http, width=64, height=64).json_body["image_url"])["3"]["inputs"]
    assert (inputs["sampler_name"], inputs["scheduler"]) == ("dpmpp_2m", "karras")


def test_settings_of_other_names_change_no_parameter(http: TestHTTPClient, comfyui: str) -> None:
    delete_all_settings(http)
    for name in ("width", "seed", "prompt", "WIDTH"):
        put_setting(http, name, "64")
    found = generated_metadata(http)
    assert {name: found[name] for name in BUILT_IN} == BUILT_IN
    assert found["prompt"] == "a lynx"


def test_explicit_values_override_settings(http: TestHTTPClient, comfyui: str) -> None:
    wanted = {"width": 64, "height": 72, "steps": 1, "cfg_scale": 0.0, "negative_prompt": ""}
    for name, value in (("width", 96), ("steps", 9), ("negative_prompt", "fog")):
        put_setting(http, f"default_{name}", str(value))
    found = generated_metadata(http, **wanted)
    assert {name: found[name] for name in wanted} == wanted


def test_a_format_overrides_settings(http: TestHTTPClient, comfyui: str) -> None:
    put_setting(http, "default_width", "96")
    format_id = create(http, "formats", width=128, height=64)
    found = generated_metadata(http, format_id=format_id)
    assert (found["width"], found["height"]) == (128, 64)


def test_explicit_values_override_a_format_field_by_field(
    http: TestHTTPClient, comfyui: str
) -> None:
    format_id = create(http, "formats", width=128, height=64)
    wider = generated_metadata(http, format_id=format_id, width=72)
    assert (wider["width"], wider["height"]) == (72, 64)
    higher = generated_metadata(http, format_id=format_id, height=72)
    assert (higher["width"], higher["height"]) == (128, 72)


def test_a_style_puts_the_prompt_in_its_placeholder(http: TestHTTPClient, comfyui: str) -> None:
    style_id = create(http, "styles", prompt_template="ink of {prompt}, and {prompt} again {x}")
    response = generate(http, prompt="an owl", style_id=style_id)
    prompt = "ink of an owl, and an owl again {x}"
    assert response.json_body["metadata"]["prompt"] == prompt
    assert graph_of(response.json_body["image_url"])["6"]["inputs"]["text"] == prompt


def test_a_style_without_a_placeholder_is_put_before_the_prompt(
    http: TestHTTPClient, comfyui: str
) -> None:
    style_id = create(http, "styles", prompt_template="ink on paper, 50% grey")
    found = generated_metadata(http, style_id=style_id, width=64, height=64)
    assert found["prompt"] == "ink on paper, 50% grey, a lynx"


def test_a_placeholder_in_the_prompt_is_not_replaced(http: TestHTTPClient, comfyui: str) -> None:
    style_id = create(http, "styles", prompt_template="ink of {prompt}")
    response = generate(http, prompt="{prompt} {0} %s \\1", style_id=style_id)
    assert response.json_body["metadata"]["prompt"] == "ink of {prompt} {0} %s \\1"


def test_a_changed_style_applies_to_the_next_image(http: TestHTTPClient, comfyui: str) -> None:
    style_id = create(http, "styles", prompt_template="ink of {prompt}")
    body = {"name": "mine", "description": "", "prompt_template": "chalk of {prompt}"}
    send(http, "PUT", f"/api/images/styles/{style_id}", body)
    found = generated_metadata(http, style_id=style_id, width=64, height=64)
    assert found["prompt"] == "chalk of a lynx"


def test_an_unknown_style_or_format_is_refused_with_its_field_and_id(
    http: TestHTTPClient, comfyui: str
) -> None:
    deleted = create(http, "styles", prompt_template="x")
    http.delete(f"/api/images/styles/{deleted}")
    for field, item_id in (("style_id", deleted), ("style_id", 10**12), ("format_id", 999)):
        details = check_error(generate(http, **{field: item_id}), 400, field)
        assert str(item_id) in details["error"]
        assert field.removesuffix("_id") + "s" in details["suggestion"]
    assert http.get("/api/images/jobs").json_body == []


def test_a_prompt_that_is_too_long_with_its_style_is_refused(
    http: TestHTTPClient, comfyui: str
) -> None:
    style_id = create(http, "styles", prompt_template="{prompt}" * 3)
    check_error(generate(http, prompt="x" * 10_000, style_id=style_id), 400, "prompt")
    assert http.get("/api/images/jobs").json_body == []

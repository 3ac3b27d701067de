"""Rules for settings only: unique names, and values that are defaults of every generation."""

import json

from chalice.test import HTTPResponse, TestHTTPClient

from tests.api.calls import SETTINGS, send
from tests.api.contract import check_error

# The values that each default accepts and refuses, as its parameter does in a request.
DEFAULTS = {
    "default_negative_prompt": (["", "blurry", "x" * 10_000], ["x" * 10_001]),
    "default_width": (["64", "2048", "512"], ["56", "2056", "65", "512.5", "", "wide", "0x40"]),
    "default_height": (["64", "2048", "512"], ["56", "2056", "65", "true", " 512", "null"]),
    "default_steps": (["1", "150"], ["0", "151", "1.5", "-1", "twenty", "٣"]),
    "default_cfg_scale": (["0", "7.5", "30"], ["-0.1", "30.1", "nan", "inf", "1e400", "", "high"]),
    "default_checkpoint": (["sd.safetensors", "xl/base.ckpt"], ["", "../a", "/a", "a\nb", "a\\b"]),
    "default_sampler": (["euler", "dpmpp_2m"], ["", "two words", "a/b", "x" * 65, "euler\n"]),
    "default_scheduler": (["normal", "karras"], ["", "two words", "a;b", "é"]),
}
INVALID_JSON_NUMBERS = ["1_000", "१२८", "64 ", "+64", "0064"]


def create(http: TestHTTPClient, name: str, value: str = "1") -> HTTPResponse:
    return send(http, "POST", SETTINGS, {"name": name, "value": value, "description": ""})


def rename(http: TestHTTPClient, created: HTTPResponse, name: str) -> HTTPResponse:
    path = f"{SETTINGS}/{created.json_body['id']}"
    return send(http, "PUT", path, {"name": name, "value": "2", "description": ""})


def names(http: TestHTTPClient) -> list[str]:
    return [setting["name"] for setting in http.get(SETTINGS).json_body]


def test_two_settings_cannot_share_a_name(http: TestHTTPClient) -> None:
    assert create(http, "theme").status_code == 201
    check_error(create(http, "theme"), 400, "name")
    assert names(http).count("theme") == 1


def test_names_that_differ_in_case_spaces_or_unicode_form_are_different(
    http: TestHTTPClient,
) -> None:
    different = ["théme", "the\u0301me", "Théme", " théme", "théme\n", "x" * 200, "😀" * 200]
    assert [create(http, name).status_code for name in different] == [201] * len(different)


def test_a_setting_cannot_take_the_name_of_another(http: TestHTTPClient) -> None:
    create(http, "theme")
    second = create(http, "palette")
    check_error(rename(http, second, "theme"), 400, "name")
    read = http.get(f"{SETTINGS}/{second.json_body['id']}").json_body
    assert read == second.json_body


def test_a_setting_may_keep_its_name_when_it_is_updated(http: TestHTTPClient) -> None:
    created = create(http, "theme")
    response = rename(http, created, "theme")
    assert response.status_code == 200
    assert response.json_body["value"] == "2"
    check_error(create(http, "theme"), 400, "name")


def test_a_name_is_free_again_after_a_deletion(http: TestHTTPClient) -> None:
    created = create(http, "theme")
    http.delete(f"{SETTINGS}/{created.json_body['id']}")
    assert create(http, "theme").status_code == 201


def test_a_name_is_free_again_after_a_rename(http: TestHTTPClient) -> None:
    created = create(http, "theme")
    assert rename(http, created, "palette").status_code == 200
    assert create(http, "theme").status_code == 201
    check_error(create(http, "palette"), 400, "name")


def test_two_settings_can_swap_their_names_through_a_third(http: TestHTTPClient) -> None:
    first, second = create(http, "a"), create(http, "b")
    for setting, name in ((first, "c"), (second, "a"), (first, "b")):
        assert rename(http, setting, name).status_code == 200
    assert names(http)[-2:] == ["b", "a"]


def test_renaming_an_unknown_setting_to_a_taken_name_returns_404(http: TestHTTPClient) -> None:
    body = {"name": "default_width", "value": "64", "description": ""}
    check_error(send(http, "PUT", f"{SETTINGS}/99999", body), 404)


def test_a_default_accepts_the_values_that_its_parameter_accepts(http: TestHTTPClient) -> None:
    ids = {each["name"]: each["id"] for each in http.get(SETTINGS).json_body}
    ids["default_checkpoint"] = create(http, "default_checkpoint", "a.ckpt").json_body["id"]
    assert ids.keys() == DEFAULTS.keys()
    for name, (good, _) in DEFAULTS.items():
        for value in good:
            body = {"name": name, "value": value, "description": ""}
            response = send(http, "PUT", f"{SETTINGS}/{ids[name]}", body)
            assert response.status_code == 200, (name, value, response.body)
            assert response.json_body["value"] == value


def test_a_default_refuses_the_values_that_its_parameter_refuses(http: TestHTTPClient) -> None:
    for each in http.get(SETTINGS).json_body:
        http.delete(f"{SETTINGS}/{each['id']}")
    for name, (_, bad) in DEFAULTS.items():
        for value in bad:
            check_error(create(http, name, value), 400, "value")
    for value in INVALID_JSON_NUMBERS:
        check_error(create(http, "default_width", value), 400, "value")
    assert names(http) == []


def test_a_setting_cannot_be_renamed_to_a_default_with_an_invalid_value(
    http: TestHTTPClient,
) -> None:
    created = create(http, "theme", "dark")
    body = {"name": "default_checkpoint", "value": "../dark", "description": ""}
    response = send(http, "PUT", f"{SETTINGS}/{created.json_body['id']}", body)
    check_error(response, 400, "value")
    assert names(http)[-1] == "theme"


def test_a_name_that_looks_like_a_default_is_refused(http: TestHTTPClient) -> None:
    created = create(http, "theme")
    for name in (
        "default_guidance_scale",
        "Default_width",
        "default_width ",
        "default_\u200bwidth",
    ):
        for response in (create(http, name), rename(http, created, name)):
            assert "did you mean default_" in check_error(response, 400, "name")["error"]


def test_settings_of_other_names_accept_any_text(http: TestHTTPClient) -> None:
    for name in ("color", "width", "defaults", "my_default_width"):
        value = json.dumps({"any": ["text", name]})
        response = create(http, name, value)
        assert response.status_code == 201
        assert response.json_body["value"] == value

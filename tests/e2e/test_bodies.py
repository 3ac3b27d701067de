"""Bodies as real clients send them, to every route that takes one."""

import gzip
import json
import zlib
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.e2e.conftest import Stack
from tests.e2e.test_gateway import check_error

GENERATE = "/api/images/generate"
POST = "/api/v1/posts/p1/generate_images"
BATCH = "/api/images/jobs/batch"
CANCEL = "/api/images/jobs/cancel"
SETTINGS = "/api/images/settings"
SCHEDULES = "/api/images/schedules"

# For each path the required fields, and optional ones.
BODIES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    GENERATE: ({"prompt": "a"}, ("negative_prompt", "width", "seed", "style_id", "priority")),
    POST: ({"prompt": "a"}, ("count", "height", "cfg_scale", "format_id")),
    SETTINGS: ({"name": "theme", "value": "dark", "description": ""}, ()),
    "/api/images/styles": ({"name": "a", "description": "", "prompt_template": "a"}, ()),
    "/api/images/formats": ({"name": "a", "description": "", "width": 64, "height": 72}, ()),
    "/api/images/prompt_examples": ({"title": "a", "prompt": "a", "category": "a"}, ()),
    SCHEDULES: (
        {"name": "a", "expression": "rate(1 day)"},
        ("timezone", "seed_policy", "start_at", "missed_window_minutes", "overlap"),
    ),
}
PATHS = [*BODIES, BATCH, CANCEL]
NUMBERS = [
    (GENERATE, "width", 64),
    (GENERATE, "seed", 2**64 - 1),
    (POST, "count", 2),
    (POST, "cfg_scale", 7),
    ("/api/images/formats", "width", 512),
    (SCHEDULES, "missed_window_minutes", 60),
]


def send(
    stack: Stack, path: str, body: object, method: str = "POST", **headers: str
) -> requests.Response:
    """Send bytes as they are, and anything else as JSON."""
    own = {"Content-Type": "application/json", "Prefer": "respond-async"}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return stack.call(method, path, data=content, headers={**own, **given})


def refusal(answer: requests.Response, status_code: int = 400) -> str:
    check_error(answer, status_code)
    return str(answer.json()["details"]["error"])


def whole(path: str) -> dict[str, Any]:
    """Return a body that the route accepts."""
    if path == BATCH:
        return {"requests": [{"prompt": "a"}]}
    if path == CANCEL:
        return {"ids": ["none"]}
    more = {SCHEDULES: {"prompts": ["a"]}, SETTINGS: {"name": f"theme {uuid4()}"}}
    return {**BODIES[path][0], **more.get(path, {})}


@pytest.mark.parametrize("path", PATHS)
def test_each_kind_of_broken_body_has_its_own_sentence(stack: Stack, path: str) -> None:
    for body, sentence in (
        (b"", "the body is empty"),
        (b" \r\n\t", "the body is empty"),
        ('{"name":"café"}'.encode("latin-1"), "the body is not UTF-8"),
        ('{"name":"caf\ufffd"}'.encode(), "replacement character (U+FFFD)"),
        (rb'{"name":"\ud83d"}', r"\ud83d in it, which is half of a surrogate pair"),
        (b'{"name":"a"} {}', "goes on after its JSON object, from byte 13 on"),
        (b'{"name":', "ends before its JSON object does"),
        (b"{'name':1}", "is not valid JSON"),
        (b"[]", "must be a JSON object"),
    ):
        if body.strip() or path != CANCEL:
            assert sentence in refusal(send(stack, path, body)), body


@pytest.mark.parametrize("path", PATHS)
def test_a_body_in_another_charset_is_refused(stack: Stack, path: str) -> None:
    for charset in ("iso-8859-1", '"UTF-16"', "windows-1252"):
        kind = f"application/json; charset={charset}"
        said = refusal(send(stack, path, whole(path), Content_Type=kind), 415)
        assert "is not UTF-8" in said


@pytest.mark.parametrize("path", BODIES)
def test_an_empty_body_is_told_what_it_needs(stack: Stack, path: str) -> None:
    for kind in ("application/json", "text/plain", "application/json; charset=latin1"):
        said = refusal(send(stack, path, b"", Content_Type=kind))
        assert said == f"the body is empty; it needs {', '.join(BODIES[path][0])}"


@pytest.mark.parametrize("path", BODIES)
def test_null_is_left_out_and_a_required_field_says_that_it_is_null(
    stack: Stack, path: str
) -> None:
    required, optional = BODIES[path]
    for field in required:
        answer = send(stack, path, {**whole(path), field: None})
        assert refusal(answer).endswith(", but it is null")
        assert answer.json()["details"]["field"] == field
    answer = send(stack, path, {**whole(path), **dict.fromkeys(optional)})
    assert answer.status_code in (201, 202), answer.text
    assert "unknown is not a field" in refusal(send(stack, path, {**required, "unknown": None}))


def test_null_is_left_out_of_requests_in_a_batch_and_in_a_schedule(stack: Stack) -> None:
    request = {"prompt": "a", "seed": None, "width": 64.0}
    [result] = send(stack, BATCH, {"requests": [request]}).json()["results"]
    assert (result["status"], result["job"]["metadata"]["width"]) == (202, 64)
    schedule = {**BODIES[SCHEDULES][0], "request": {**request, "post_id": None}}
    created = send(stack, SCHEDULES, schedule).json()
    assert created["request"] == {"prompt": "a", "width": 64}
    path = f"{SCHEDULES}/{created['id']}"
    assert send(stack, path, schedule, "PUT").json()["request"] == {"prompt": "a", "width": 64}


def test_a_body_may_be_left_out_or_null_where_all_fields_are_optional(stack: Stack) -> None:
    path = f"{SCHEDULES}/{send(stack, SCHEDULES, whole(SCHEDULES)).json()['id']}"
    for verb, field, status_code in (("pause", "note", 200), ("run", "scheduled_at", 201)):
        for body, kind in ((b"", "text/plain"), (b" ", "text/plain"), (b"{}", "application/json")):
            send(stack, f"{path}/resume", b"")
            answer = send(stack, f"{path}/{verb}", body, Content_Type=kind)
            assert answer.status_code == status_code, answer.text
        assert send(stack, f"{path}/{verb}", {field: None}).status_code == status_code


def test_null_and_left_out_are_the_same_request(stack: Stack) -> None:
    for path, plain, same in (
        (GENERATE, {"prompt": "a"}, {"prompt": "a", "seed": None, "style_id": None}),
        (GENERATE, {"prompt": "a", "width": 64}, b'{"width":6.4e1,"prompt":"a"}'),
        (SCHEDULES, {**whole(SCHEDULES)}, {**whole(SCHEDULES), "request": {"seed": None}}),
    ):
        key = f"key {path} {plain}"
        first, second = (send(stack, path, each, Idempotency_Key=key) for each in (plain, same))
        assert first.status_code == second.status_code in (201, 202)
        assert first.json()["id"] == second.json()["id"]


@pytest.mark.parametrize(("path", "field", "number"), NUMBERS)
def test_a_whole_number_is_one_however_it_is_written(
    stack: Stack, path: str, field: str, number: int
) -> None:
    for written in (f"{number}.0", f"{number}00e-2", str(number)):
        body = json.dumps({**whole(path), field: "N"}).replace('"N"', written)
        answer = send(stack, path, body.encode())
        assert answer.status_code in (201, 202), answer.text
        if path in (GENERATE, SCHEDULES, "/api/images/formats"):
            found = answer.json()
            assert found.get(field, found.get("metadata", {}).get(field)) == number


@pytest.mark.parametrize(("path", "field"), [each[:2] for each in NUMBERS])
def test_a_number_as_text_is_refused_and_said_to_be_text(
    stack: Stack, path: str, field: str
) -> None:
    for wrong, kind in (("64", "text"), ("", "text"), (True, "true or false"), ([64], "a list")):
        answer = send(stack, path, {**whole(path), field: wrong})
        assert refusal(answer).endswith(f", but it is {kind}")
        assert answer.json()["details"]["field"] == field
    assert answer.json()["details"]["error"].startswith(f"{field} must be a ")


@pytest.mark.parametrize("wrong", ["1", ""])
def test_an_id_as_text_is_refused_though_the_item_exists(stack: Stack, wrong: str) -> None:
    said = refusal(send(stack, GENERATE, {"prompt": "a", "style_id": wrong}))
    assert said == ("style_id must be a whole number, the id of an existing item, but it is text")
    assert send(stack, GENERATE, {"prompt": "a", "style_id": 1.0}).status_code == 202


def test_settings_and_bodies_have_one_rule_for_numbers(stack: Stack) -> None:
    settings = {each["name"]: each["id"] for each in stack.call("GET", SETTINGS).json()}
    path = f"{SETTINGS}/{settings['default_width']}"
    setting = {"name": "default_width", "description": ""}
    for value, status_code in (
        *[(each, 200) for each in ("512.0", "5.12e2", "512")],
        *[(each, 400) for each in ("NaN", " 512", "1_000", "true", "inf", "512.5", "1e999999999")],
    ):
        answer = send(stack, path, {**setting, "value": value}, "PUT")
        assert answer.status_code == status_code, value


@pytest.mark.parametrize("coding", ["gzip", "deflate", "identity", "GZIP"])
def test_a_body_of_a_coding_that_the_gateway_knows_is_served(stack: Stack, coding: str) -> None:
    encode = {"gzip": gzip.compress, "deflate": zlib.compress}.get(coding.lower(), bytes)
    for path in PATHS:
        body = encode(json.dumps(whole(path)).encode())
        answer = send(stack, path, body, Content_Encoding=coding)
        assert answer.ok, answer.text


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip", "deflate", "gzip, gzip", "x"])
def test_a_body_that_the_gateway_cannot_decompress_is_refused(stack: Stack, coding: str) -> None:
    for path in (GENERATE, SCHEDULES, CANCEL):
        answer = send(stack, path, whole(path), Content_Encoding=coding)
        assert "Content-Encoding" in refusal(answer, 415)
        assert "uncompressed" in answer.json()["details"]["suggestion"]


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_arrives_compressed_is_refused(stack: Stack, path: str) -> None:
    twice = gzip.compress(gzip.compress(json.dumps(whole(path)).encode()))
    answer = send(stack, path, twice, Content_Encoding="gzip")
    assert refusal(answer, 415) == "the body is compressed (Content-Encoding: gzip)"
    without = gzip.compress(json.dumps(whole(path)).encode())
    assert refusal(send(stack, path, without), 415) == "the body is compressed with gzip"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("default_Width", "default_width"),
        ("default_width ", "default_width"),
        ("Default-Height", "default_height"),
        ("default_guidance_scale", "default_cfg_scale"),
    ],
)
def test_a_setting_that_looks_like_a_default_is_refused(
    stack: Stack, name: str, meant: str
) -> None:
    answer = send(stack, SETTINGS, {"name": name, "value": "512", "description": ""})
    assert f"did you mean {meant}?" in refusal(answer)


@pytest.mark.parametrize("path", [path for path in BODIES if path != SCHEDULES])
def test_a_text_of_zero_width_characters_is_blank(stack: Stack, path: str) -> None:
    for field in {"prompt", "name", "title"} & BODIES[path][0].keys():
        for blank in ("\u200b", " \u2060\ufeff\n", "\u00ad\u200d\u3164", "\u2800\U000e0041"):
            answer = send(stack, path, {**whole(path), field: blank})
            assert "not blank" in refusal(answer)
            assert answer.json()["details"]["field"] == field


@pytest.mark.parametrize(
    ("path", "field", "meant"),
    [
        (GENERATE, "negativ_prompt", "negative_prompt"),
        (GENERATE, "guidance_scale", "cfg_scale"),
        (POST, "num_images", "count"),
        (BATCH, "request", "requests"),
        (CANCEL, "id", "ids"),
        ("/api/images/styles", "promptTemplate", "prompt_template"),
        (SCHEDULES, "time_zone", "timezone"),
    ],
)
def test_an_unknown_field_is_told_the_nearest_one(
    stack: Stack, path: str, field: str, meant: str
) -> None:
    answer = send(stack, path, {**whole(path), field: 1})
    assert refusal(answer) == f"{field} is not a field of this request; did you mean {meant}?"
    assert meant in answer.json()["details"]["suggestion"]

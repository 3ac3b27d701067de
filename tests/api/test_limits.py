"""The limits of every field of a generation request, and values of the wrong type."""

import json
from time import process_time

import pytest
from chalice.test import TestHTTPClient

from tests.api.calls import generate_later, send
from tests.api.contract import check_error

# The accepted and the refused values of each field, edges first.
LIMITS: dict[str, tuple[list[object], list[object]]] = {
    "prompt": (["x", "x" * 10_000, "😀" * 10_000, "\u200bx"], ["", "x" * 10_001, "😀" * 10_001]),
    "negative_prompt": (["", " ", "x" * 10_000], ["x" * 10_001, "a\0"]),
    "width": ([64, 2048, 72], [63, 56, 2049, 2056, 65, 0, -64]),
    "height": ([64, 2048, 1000], [63, 56, 2049, 2056, 2047, 0, -64]),
    "steps": ([1, 150], [0, 151, -1]),
    "cfg_scale": ([0, 0.0, 30, 30.0, 1e-9, -0.0], [-1e-9, 30.000001, -1, 31]),
    "seed": ([-1, 0, 2**63, 2**64 - 1], [-2, 2**64, -(2**63), -(2**64), 10**30]),
    "style_id": ([1], [0, -1, 10**12 + 1, 2**64]),
    "format_id": ([1], [0, -1, 10**12 + 1, 2**64]),
    "expires_in_seconds": ([60, 604_800], [59, 604_801, 0, -60]),
}
# JSON that no numeric field accepts.
NOT_NUMBERS = [
    '"512"',
    '"7.0"',
    "true",
    "false",
    "[]",
    "[64]",
    "{}",
    '{"value": {"value": [[{}]]}}',
    '""',
    "1e400",
    "-1e400",
    "9" * 400,
    "-" + "9" * 5000,
    "64.5e1000000000",
]
INVALID_JSON = ["NaN", "Infinity", "-Infinity", "064", ".5", "+64", "64f", "undefined", ""]
NUMBERS = [field for field in LIMITS if not field.endswith("prompt")]


def raw(field: str, value: str) -> bytes:
    return f'{{"prompt": "x", "{field}": {value}}}'.encode()


@pytest.mark.parametrize("field", LIMITS)
def test_a_field_is_accepted_up_to_its_limits(
    http: TestHTTPClient, comfyui: str, field: str
) -> None:
    for value in LIMITS[field][0]:
        response = generate_later(http, **{field: value})
        assert response.status_code == 202, (value, response.body)


@pytest.mark.parametrize("field", LIMITS)
def test_a_field_is_refused_beyond_its_limits(
    http: TestHTTPClient, comfyui: str, field: str
) -> None:
    for value in LIMITS[field][1]:
        check_error(generate_later(http, **{field: value}), 400, field)
    assert http.get("/api/images/jobs").json_body == []


@pytest.mark.parametrize("field", NUMBERS)
def test_a_numeric_field_refuses_other_types(http: TestHTTPClient, field: str) -> None:
    for value in NOT_NUMBERS:
        response = send(http, "POST", "/api/images/generate", raw(field, value))
        assert "must be" in check_error(response, 400, field)["error"]


@pytest.mark.parametrize("field", [field for field in NUMBERS if field != "cfg_scale"])
def test_an_integer_field_refuses_fractions(http: TestHTTPClient, field: str) -> None:
    for value in ("64.5", "64.0000000000000000001", "6.45e1", "1e-2", "-1.5"):
        check_error(send(http, "POST", "/api/images/generate", raw(field, value)), 400, field)


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_a_text_field_refuses_other_types(http: TestHTTPClient, field: str) -> None:
    for value in (1, 1.5, True, [], ["x"], {}, {"text": "x"}):
        body = json.dumps({"prompt": "x", field: value}).encode()
        check_error(send(http, "POST", "/api/images/generate", body), 400, field)


def test_a_blank_prompt_is_refused(http: TestHTTPClient) -> None:
    for prompt in (" ", "\n\t", "\u00a0", "\u2028", "\u3000", "\0", "\u200b", "\ufeff \u2060"):
        body = {"prompt": prompt}
        check_error(send(http, "POST", "/api/images/generate", body), 400, "prompt")


def test_a_long_blank_prompt_is_refused_within_seconds(http: TestHTTPClient) -> None:
    """A regular expression that tries every way to split the blanks takes minutes."""
    for prompt in (" " * 10_000, "\t " * 5_000, " " * 9_999 + "\0"):
        began = process_time()
        check_error(send(http, "POST", "/api/images/generate", {"prompt": prompt}), 400, "prompt")
        assert process_time() - began < 5


def test_a_number_that_is_not_valid_json_is_refused(http: TestHTTPClient) -> None:
    for value in INVALID_JSON:
        response = send(http, "POST", "/api/images/generate", raw("width", value))
        assert "JSON" in check_error(response, 400)["error"]


def test_a_prompt_is_required(http: TestHTTPClient) -> None:
    details = check_error(send(http, "POST", "/api/images/generate", {"steps": 5}), 400, "prompt")
    assert details["error"] == "prompt is required"


def test_an_unknown_field_is_named(http: TestHTTPClient) -> None:
    for field in ("cfg", "Prompt", "count", "checkpoint", "sampler", "post_id", "batch_size", "é"):
        body = {"prompt": "x", field: 1}
        details = check_error(send(http, "POST", "/api/images/generate", body), 400, field)
        assert "cfg_scale" in details["suggestion"]


def test_one_of_several_wrong_fields_is_named(http: TestHTTPClient) -> None:
    body = {"prompt": "x", "width": 1, "height": 1, "steps": 0}
    details = check_error(send(http, "POST", "/api/images/generate", body), 400)
    assert details["field"] in ("width", "height", "steps")
    assert details["error"].startswith(details["field"])

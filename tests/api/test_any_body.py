"""The responses to arbitrary JSON, bytes and headers follow the contract."""

import json
from typing import Any

import pytest
from chalice.test import TestHTTPClient
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.calls import send
from tests.api.contract import check_error

STYLES, GENERATE = "/api/images/styles", "/api/images/generate"
REQUIRED = {STYLES: ["name", "description", "prompt_template"], GENERATE: ["prompt"]}
OPTIONAL = ["negative_prompt", "width", "steps", "cfg_scale", "seed", "style_id", "count", "name"]
STATUSES = {STYLES: {201, 400}, GENERATE: {400, 503}}

texts_with_surrogates = st.text(st.characters(exclude_categories=()))
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts_with_surrogates
documents = st.recursive(
    scalars,
    lambda parts: (
        st.lists(parts, max_size=4) | st.dictionaries(texts_with_surrogates, parts, max_size=4)
    ),
    max_leaves=10,
)
likely_values = st.text(min_size=1) | st.integers(-1, 2**64) | st.sampled_from([64, 512, 7.5])


def objects(path: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for bodies that are valid or nearly valid."""
    required = {name: st.text(min_size=1) | scalars for name in REQUIRED[path]}
    optional = dict.fromkeys(OPTIONAL, likely_values | documents)
    return st.fixed_dictionaries({}, optional={**required, **optional}) | st.fixed_dictionaries(
        dict.fromkeys(REQUIRED[path], st.text("ab\u05d0😀", min_size=1)),
        optional={"steps": st.integers(0, 151), "seed": st.integers(-2, 2**64)},
    )


def check(http: TestHTTPClient, path: str, body: bytes, statuses: set[int], **headers: str) -> None:
    response = send(http, "POST", path, body, **headers)
    assert response.status_code in statuses, response.body
    if response.status_code != 201:
        check_error(response, response.status_code, sent=body.decode(errors="replace"))


@pytest.mark.parametrize("path", STATUSES)
@settings(max_examples=150)
@given(data=st.data())
def test_the_response_to_any_json_follows_the_contract(
    http: TestHTTPClient, path: str, data: st.DataObject
) -> None:
    document = data.draw(documents | objects(path))
    check(http, path, json.dumps(document, ensure_ascii=True).encode(), STATUSES[path])


@pytest.mark.parametrize("path", STATUSES)
@settings(max_examples=100)
@given(body=st.binary())
def test_the_response_to_any_bytes_follows_the_contract(
    http: TestHTTPClient, path: str, body: bytes
) -> None:
    check(http, path, body, {400})


@settings(max_examples=100)
@given(
    header=st.sampled_from(["content-type", "prefer", "idempotency-key"]),
    value=st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")),
)
def test_the_response_to_any_header_follows_the_contract(
    http: TestHTTPClient, header: str, value: str
) -> None:
    body = b'{"prompt": "x"}'
    check(http, GENERATE, body, {400, 415, 503}, **{header: value})

"""Parsing JSON into types: every invalid body raises an InvalidRequest that names its field."""

import json
from contextlib import suppress
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.catalogs import DEFAULTS, Format, PromptExample, Setting, Style
from chalicelib.schemas.generation import GenerateRequest, PostRequest
from chalicelib.schemas.limits import CfgScale, Count, Pixels, Prompt, Value
from chalicelib.schemas.parsing import convert, describe, parse

SCHEMAS: list[Any] = [Setting, Style, Format, PromptExample, GenerateRequest, PostRequest]
FIELDS = [
    pytest.param(schema, field, id=f"{schema.__name__}.{field}")
    for schema in SCHEMAS
    for field in schema.__struct_fields__
]
VALID: dict[str, Any] = {
    "name": "a",
    "title": "a",
    "description": "",
    "value": "",
    "prompt_template": "a",
    "prompt": "a",
    "category": "a",
    "width": 64,
    "height": 64,
}

names = st.text(st.characters(codec="utf-8"), max_size=150) | st.sampled_from(
    ["", " ", "`", "a`b", "missing required field `name`", "$.name", "é\n"]
)


def valid(schema: Any) -> dict[str, Any]:
    required = [each.name for each in msgspec.structs.fields(schema) if each.required]
    return {name: VALID[name] for name in required}


def refusal(schema: Any, body: dict[str, Any]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(json.dumps(body).encode(), schema)
    return caught.value


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_valid_body_is_parsed_into_its_type(schema: Any) -> None:
    parsed = parse(json.dumps(valid(schema)).encode(), schema)
    assert type(parsed) is schema
    assert msgspec.structs.asdict(parsed).items() >= valid(schema).items()


@pytest.mark.parametrize(("schema", "field"), FIELDS)
def test_the_error_for_a_wrong_value_describes_the_declared_type(schema: Any, field: str) -> None:
    for wrong in ([], {"deep": [{"er": [1]}]}, [[["x"]]], None, True):
        error = refusal(schema, {**valid(schema), field: wrong})
        assert error.field == field
        declared = get_type_hints(schema, include_extras=True)[field]
        assert str(error) == f"{field} must be {describe(declared)}"


@pytest.mark.parametrize(("schema", "field"), FIELDS)
def test_every_field_has_a_description(schema: Any, field: str) -> None:
    text = describe(get_type_hints(schema, include_extras=True)[field])
    assert text.startswith(("a ", "the "))
    assert "declared type" not in text


@pytest.mark.parametrize("schema", SCHEMAS)
def test_each_missing_field_is_named(schema: Any) -> None:
    for field in valid(schema):
        body = {name: value for name, value in valid(schema).items() if name != field}
        error = refusal(schema, body)
        assert (error.field, str(error)) == (field, f"{field} is required")


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_error_for_an_unknown_field_lists_the_known_ones(schema: Any) -> None:
    error = refusal(schema, {**valid(schema), "color": 1})
    assert error.field == "color"
    assert error.suggestion.endswith(", ".join(schema.__struct_fields__))


@given(field=names)
def test_any_unknown_field_is_named_up_to_a_length(field: str) -> None:
    # A name that contains msgspec's notation for a path is read as that path, and also refused.
    assume(field not in Style.__struct_fields__ and " - at `$." not in field)
    error = refusal(Style, {**valid(Style), field: 1})
    assert error.field == field[:100]


@given(body=st.binary() | st.text().map(str.encode))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    for schema in SCHEMAS:
        with suppress(InvalidRequest):
            assert isinstance(parse(body, schema), schema)


def test_deeply_nested_bodies_are_refused() -> None:
    for body in (b"[" * 10**6, b'{"prompt":' * 10**5, b'{"x":' + b"[" * 10**6):
        with pytest.raises(InvalidRequest):
            parse(body, GenerateRequest)


def test_the_error_for_a_body_that_is_not_an_object_says_so() -> None:
    for body in (b"[]", b"1", b'"x"', b"null", b"true"):
        with pytest.raises(InvalidRequest, match="JSON object"):
            parse(body, Style)


@pytest.mark.parametrize(
    ("value", "schema", "converted"),
    [
        ("512", Pixels, 512),
        ("7.5", CfgScale, 7.5),
        ("30", CfgScale, 30.0),
        ("", Value, ""),
    ],
)
def test_a_setting_is_converted_from_its_text(value: str, schema: Any, converted: object) -> None:
    found = convert(value, schema, "value")
    assert (found, type(found)) == (converted, type(converted))


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "-1", "30.1", "true", "null", " 7", "7 "])
def test_the_error_for_a_setting_that_is_not_a_number_names_it(value: str) -> None:
    with pytest.raises(InvalidRequest, match="default_cfg_scale must be a number from 0 to 30"):
        convert(value, CfgScale, "default_cfg_scale")


@given(value=st.text("0123456789.+-eE ") | st.integers().map(str) | st.floats().map(str))
def test_an_accepted_default_is_within_its_limits(value: str) -> None:
    for name, limits in (("default_width", (64, 2048)), ("default_cfg_scale", (0, 30))):
        with suppress(InvalidRequest):
            assert limits[0] <= convert(value, DEFAULTS[name], name) <= limits[1]


def test_types_without_a_description_get_a_general_one() -> None:
    assert describe(str) == "a text"
    assert describe(int) == "a value of the declared type"
    assert describe(Count | None) == describe(Count) == "a whole number from 1 to 8"
    assert describe(Prompt | int) == describe(Prompt)

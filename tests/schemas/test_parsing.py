"""Parsing JSON into types: every invalid body raises an InvalidRequest that names its field."""

import json
from contextlib import suppress
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.catalogs import Format, PromptExample, Setting, Style
from chalicelib.schemas.generation import CancelRequest, GenerateRequest, PostRequest
from chalicelib.schemas.limits import SEED_MAX, Pixels
from chalicelib.schemas.parsing import convert, describe, parse
from chalicelib.schemas.schedules import PauseRequest, RunRequest, ScheduleRequest

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
def test_the_error_for_a_value_of_another_type_says_what_it_is(schema: Any, field: str) -> None:
    declared = get_type_hints(schema, include_extras=True)[field]
    for wrong, kind in (
        ([], "a list"),
        ([[["x"]]], "a list"),
        ({"deep": [{"er": [1]}]}, "an object"),
        (True, "true or false"),
    ):
        error = refusal(schema, {**valid(schema), field: wrong})
        assert error.field == field
        assert str(error) == f"{field} must be {describe(declared)}, but it is {kind}"


@pytest.mark.parametrize(("schema", "field"), FIELDS)
def test_text_for_a_number_and_a_number_for_text_are_told_apart(schema: Any, field: str) -> None:
    declared = get_type_hints(schema, include_extras=True)[field]
    is_number = "number" in describe(declared)
    for wrong in ("512", "", "null") if is_number else (512, 0, 1.5):
        error = refusal(schema, {**valid(schema), field: wrong})
        kind = "text" if is_number else "a number"
        assert str(error) == f"{field} must be {describe(declared)}, but it is {kind}"


@pytest.mark.parametrize(("schema", "field"), FIELDS)
def test_null_is_left_out_where_a_field_is_optional(schema: Any, field: str) -> None:
    body = {**valid(schema), field: None}
    if field in valid(schema):
        error = refusal(schema, body)
        assert error.field == field
        assert str(error).endswith(", but it is null")
    else:
        assert parse(json.dumps(body).encode(), schema) == parse(
            json.dumps(valid(schema)).encode(), schema
        )


def test_an_unknown_field_that_is_null_is_unknown() -> None:
    assert refusal(Style, {**valid(Style), "color": None}).field == "color"


def test_an_item_of_a_list_that_has_another_type_is_named() -> None:
    error = refusal(CancelRequest, {"ids": ["a", None]})
    assert str(error) == "ids must be a list of 1 to 100 job ids, but ids[1] is null"


def test_a_number_that_is_not_whole_is_no_other_type() -> None:
    error = refusal(Format, {**valid(Format), "width": 512.5})
    assert str(error) == f"width must be {describe(Pixels)}"


@pytest.mark.parametrize("written", ["512.0", "5.12e2", "51200e-2", "0.512E+3", "512.000", "512"])
def test_a_whole_number_is_one_in_bodies_and_settings_however_it_is_written(written: str) -> None:
    body = b'{"prompt": "a", "width": %s}' % written.encode()
    for width in (parse(body, GenerateRequest).width, convert(written, Pixels, "value")):
        assert (width, type(width)) == (512, int)


@pytest.mark.parametrize(
    "written",
    [
        *("NaN", "inf", "Infinity", " 512", "512 ", "512\n", "1_000", "true", "null", "0512"),
        *("+512", "512.", ".5e3", "0x200", "512,0", "5.12e2.0", "512.5", "1e999999999", ""),
        *("512e999999999", "\u0665\u0661\u0662", '"512"', "[512]"),
    ],
)
def test_settings_refuse_the_numbers_that_bodies_refuse(written: str) -> None:
    with pytest.raises(InvalidRequest):
        convert(written, Pixels, "value")
    # JSON may have white space between its parts, and null is left out.
    if written.strip() not in ("512", "null"):
        with pytest.raises(InvalidRequest):
            parse(b'{"prompt": "a", "width": %s}' % written.encode(), GenerateRequest)


def test_large_seeds_stay_exact_however_they_are_written() -> None:
    for seed in (SEED_MAX, SEED_MAX - 1, 10**19):
        first, *rest = str(seed)
        for written in (f"{seed}.0", f"{seed}e0", f"{first}.{''.join(rest)}e19"):
            body = b'{"prompt": "a", "seed": %s}' % written.encode()
            assert parse(body, GenerateRequest).seed == seed
    for written in ("18446744073709551616.0", "1.8446744073709551616e19", "1e20", "-2.0"):
        with pytest.raises(InvalidRequest, match="seed must be a whole number from 0"):
            parse(b'{"prompt": "a", "seed": %s}' % written.encode(), GenerateRequest)
    assert parse(b'{"prompt": "a", "seed": -1.0}', GenerateRequest).seed == -1


def test_numbers_that_would_fill_the_memory_are_refused_at_once() -> None:
    nines = b"9" * 10**5
    for number in (b"1e999999999", b"-1e999999999", b"1e" + nines, nines, b"%s.5" % nines):
        for field in (b"width", b"seed", b"cfg_scale"):
            with pytest.raises(InvalidRequest):
                parse(b'{"prompt": "a", "%s": %s}' % (field, number), GenerateRequest)


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("body", [b"", b" ", b"\r\n\t "])
def test_the_error_for_an_empty_body_lists_the_fields_that_are_needed(
    schema: Any, body: bytes
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(body, schema)
    assert str(caught.value) == f"the body is empty; it needs {', '.join(valid(schema))}"


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_byte_order_mark_before_the_body_is_ignored(schema: Any) -> None:
    body = json.dumps(valid(schema)).encode()
    assert parse(b"\xef\xbb\xbf" + body, schema) == parse(body, schema)


def test_a_body_may_be_empty_where_all_fields_are_optional() -> None:
    assert parse(b"", PauseRequest) == PauseRequest()
    assert parse(b" \n", RunRequest) == RunRequest()


def test_the_error_for_a_field_of_an_object_in_the_body_names_both() -> None:
    schedule = {"name": "a", "expression": "rate(1 day)"}
    for request, field, message in (
        (
            {"prompt": None, "width": 9},
            "request.width",
            f"in request: width must be {describe(Pixels)}",
        ),
        ({"prompt": "a", "widht": 9}, "request.widht", "in request: widht is not a field of this"),
        ({"prompt": "a", "seed": -2}, "request.seed", "in request: seed must be"),
        ({"prompt": "a", "width": "64"}, "request.width", f"{describe(Pixels)}, but it is text"),
        ("a", "request", "request must be a JSON object, but it is text"),
        (None, "request.prompt", "a schedule needs request.prompt or prompts"),
    ):
        error = refusal(ScheduleRequest, {**schedule, "request": request})
        assert error.field == field
        assert message in str(error)


def test_null_in_an_object_of_the_body_is_left_out_too() -> None:
    plain, with_null = (
        {"name": "a", "expression": "rate(1 day)", "request": {"prompt": "a", **more}}
        for more in ({}, {"seed": None, "post_id": None})
    )
    assert parse(json.dumps(with_null).encode(), ScheduleRequest) == parse(
        json.dumps(plain).encode(), ScheduleRequest
    )


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


@pytest.mark.parametrize(
    ("schema", "field", "meant"),
    [
        (GenerateRequest, "negativ_prompt", "negative_prompt"),
        (GenerateRequest, "negativePrompt", "negative_prompt"),
        (GenerateRequest, "Width", "width"),
        (GenerateRequest, "guidance_scale", "cfg_scale"),
        (GenerateRequest, "cfg", "cfg_scale"),
        (GenerateRequest, "num_inference_steps", "steps"),
        (GenerateRequest, "style", "style_id"),
        (PostRequest, "num_images", "count"),
        (Style, "prompt-template", "prompt_template"),
        (ScheduleRequest, "time_zone", "timezone"),
    ],
)
def test_the_error_for_an_unknown_field_names_the_nearest_one(
    schema: Any, field: str, meant: str
) -> None:
    error = refusal(schema, {field: 1})
    assert str(error) == f"{field} is not a field of this request; did you mean {meant}?"


@pytest.mark.parametrize("field", ["model", "sampler", "user", "size", "webhook", "", "x" * 300])
def test_a_field_that_is_like_no_other_gets_no_name(field: str) -> None:
    said = str(refusal(GenerateRequest, {field: 1}))
    assert said == f"{field[:100]} is not a field of this request"


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


@given(
    body=st.fixed_dictionaries(
        {"prompt": st.text(max_size=3) | st.just("a")},
        optional={
            "width": st.integers(0, 4096) | st.floats(),
            "cfg_scale": st.integers() | st.floats(-1, 31),
            "seed": st.integers(-2, 2**64),
            "priority": st.sampled_from(["batch", "interactive", "x"]),
        },
    )
)
def test_what_msgspec_accepts_is_parsed_into_the_same(body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    try:
        expected = msgspec.json.decode(content, type=GenerateRequest)
    except (msgspec.DecodeError, InvalidRequest):
        with suppress(InvalidRequest):
            assert parse(content, GenerateRequest).width == body["width"]
    else:
        assert parse(content, GenerateRequest) == expected


def test_deeply_nested_bodies_are_refused() -> None:
    for body in (b"[" * 10**6, b'{"prompt":' * 10**5, b'{"x":' + b"[" * 10**6):
        with pytest.raises(InvalidRequest):
            parse(body, GenerateRequest)


def test_the_error_for_a_body_that_is_not_an_object_says_so() -> None:
    for body in (b"[]", b"1", b'"x"', b"null", b"true"):
        with pytest.raises(InvalidRequest, match="JSON object"):
            parse(body, Style)

"""Why a text is not a JSON object in UTF-8: each reason has its own sentence."""

import pytest

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.json_object import fields_of

NOT_UTF8 = "not UTF-8, or has a replacement character (U+FFFD) in it"


def refusal(text: bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        fields_of(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '{"prompt":"café"}'.encode("latin-1"),
        '{"prompt":"a"}'.encode("utf-16"),
        '{"prompt":"caf\ufffd"}'.encode(),
        '{"a":1}\ufffd'.encode(),
        b'{"\xff":1}',
        b'{"a":"\xed\xa0\xbd"}',
        b"\x1f\x8b\x08",
    ],
)
def test_a_text_that_is_not_utf8_or_was_replaced_is_refused(text: bytes) -> None:
    assert NOT_UTF8 in refusal(text)


def test_an_escaped_replacement_character_is_a_character() -> None:
    assert fields_of(b'{"prompt":"\\ufffd"}').keys() == {"prompt"}


@pytest.mark.parametrize(
    ("text", "half"),
    [
        (rb'{"a":"\ud83d"}', r"\ud83d"),
        (rb'{"a":"\ude00\ud83d"}', r"\ude00"),
        (rb'{"a":"\ud83d\ude00\uD83D"}', r"\uD83D"),
        (rb'{"a":"\ud83d x"}', r"\ud83d"),
        (rb'{"\udfff":1}', r"\udfff"),
        (rb'{"a":["\\\ud800\n"]}', r"\ud800"),
    ],
)
def test_half_of_a_surrogate_pair_is_named(text: bytes, half: str) -> None:
    assert f"the body has {half} in it, which is half of a surrogate pair" in refusal(text)


@pytest.mark.parametrize("text", [rb'{"a":"\\ud83d"}', rb'{"a":"\ud83d\ude00"}'])
def test_a_whole_pair_and_an_escaped_backslash_are_read(text: bytes) -> None:
    assert fields_of(text).keys() == {"a"}


@pytest.mark.parametrize("more", ["x", "{}", '\n{"b": 2}', "\0", ";", "}"])
def test_what_follows_the_object_is_named_by_its_place(more: str) -> None:
    place = 7 + len(more) - len(more.lstrip())
    said = refusal(b'{"a":1}' + more.encode())
    assert said == f"the body goes on after its JSON object, from byte {place} on"


@pytest.mark.parametrize("text", [b"{", b'{"a"', b'{"a":', b'{"a":"b', b'{"a":[1', b'{"a":1'])
def test_a_text_that_was_cut_off_says_so(text: bytes) -> None:
    assert refusal(text) == "the body ends before its JSON object does"


@pytest.mark.parametrize(
    ("text", "place"),
    [(b"{'a':1}", 1), (b'{"a":NaN}', 5), (b'{"a":"\n"}', 6), (b"prompt=a", 0), (rb'{"a":"\q"}', 7)],
)
def test_what_else_is_not_json_is_named_by_its_place(text: bytes, place: int) -> None:
    said = refusal(text)
    assert said.startswith("the body is not valid JSON: ")
    assert said.endswith(f"(byte {place})")


@pytest.mark.parametrize("text", [b"[]", b"1", b'"x"', b"null", b"true", b"[] x"])
def test_json_of_another_type_is_no_object(text: bytes) -> None:
    assert refusal(text) == "the body must be a JSON object"


@pytest.mark.parametrize("text", [b'{"a":' + b"[" * 10**6, b'{"a":' * 10**5])
def test_too_many_levels_are_refused(text: bytes) -> None:
    assert refusal(text) == "the body has too many levels of JSON"


def test_many_escapes_are_read_in_linear_time() -> None:
    assert "half of a surrogate pair" in refusal(
        b'{"a":"' + rb"\ud83d\ude00\\" * 80_000 + rb'\ud800"}'
    )

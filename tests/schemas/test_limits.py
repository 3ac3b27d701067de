"""Types of fields: their descriptions, and texts that must not be blank."""

import re
import sys
import time
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.limits import Count, Name, Prompt
from chalicelib.schemas.parsing import convert, describe

# Format characters that have a picture of their own.
DRAWN = {
    *range(0x0600, 0x0606), 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD,
    *range(0x13430, 0x13440),
}  # fmt: skip
FILLERS = "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\u180e\ufe0f\U000e0100"
INVISIBLE = [
    each
    for each in map(chr, range(1, sys.maxunicode + 1))
    if unicodedata.category(each) in ("Zs", "Zl", "Zp", "Cc", "Cf") and ord(each) not in DRAWN
]


def is_blank(text: str) -> bool:
    try:
        convert(text, Prompt, "prompt")
    except InvalidRequest:
        return True
    return False


def test_every_character_that_shows_nothing_is_blank() -> None:
    assert [hex(ord(each)) for each in (*INVISIBLE, *FILLERS) if not is_blank(each)] == []
    assert is_blank("".join(INVISIBLE[:9_000]))


@given(text=st.text(st.sampled_from([*INVISIBLE, *FILLERS]), min_size=1, max_size=20))
def test_a_text_of_such_characters_is_blank_until_one_is_visible(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(f"{text}x")
    assert not is_blank(f"x{text}\n")


@pytest.mark.parametrize(
    "text", ["é", "א", "👩‍🚀", "❤️", "\u0301", "٣", "。", "\U000f0000", "\u0600"]
)
def test_what_is_drawn_is_not_blank(text: str) -> None:
    assert not is_blank(text)


@pytest.mark.parametrize("text", ["\0", "a\0", "\u200b\0a", "a\0\n", "\0\n"])
def test_nul_is_refused_wherever_it_stands(text: str) -> None:
    assert is_blank(text)


def test_blank_texts_are_refused_in_linear_time() -> None:
    began = time.perf_counter()
    assert is_blank("\u200b " * 5_000)
    assert is_blank(" " * 9_999 + "\0")
    assert time.perf_counter() - began < 1


def test_the_patterns_of_blank_texts_are_ecma_262() -> None:
    for declared in (Name, Prompt):
        [meta] = [each for each in declared.__metadata__ if isinstance(each, msgspec.Meta)]
        assert not re.search(r"\\[ZAs]|\(\?", str(meta.pattern))


def test_types_without_a_description_get_a_general_one() -> None:
    assert describe(str) == "a text"
    assert describe(int) == "a value of the declared type"
    assert describe(Count | None) == describe(Count) == "a whole number from 1 to 8"
    assert describe(Prompt | int) == describe(Prompt)

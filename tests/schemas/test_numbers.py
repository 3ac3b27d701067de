"""Whole numbers, however JSON writes them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.schemas.numbers import is_number, written_out

numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,21})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)


@given(number=numbers)
def test_a_whole_number_is_written_out_exactly(number: str) -> None:
    value, found = Fraction(number), written_out(number.encode()).decode()
    assert Fraction(found) == value
    if value.denominator == 1 and abs(value) < 10**20:
        assert found.lstrip("-").isdigit()
    else:
        assert found == number


@given(whole=st.integers(-(2**64), 2**64), point=st.integers(0, 20))
def test_the_point_may_stand_anywhere(whole: int, point: int) -> None:
    sign, digits = "-" * (whole < 0), str(abs(whole)).zfill(point + 1)
    before, after = digits[: len(digits) - point], digits[len(digits) - point :] or "0"
    before = before.lstrip("0") or "0"
    assert int(written_out(f"{sign}{before}.{after}e{point}".encode())) == whole


@pytest.mark.parametrize(
    "number", ["1e21", "1e999999999", "9e" + "9" * 10**5, "1.5", "1e-1", "5e-1"]
)
def test_other_numbers_stay_as_they_are(number: str) -> None:
    assert written_out(number.encode()) == number.encode()


@pytest.mark.parametrize("zero", ["0", "-0", "0.0", "-0.0e9", "0e999999999999"])
def test_zero_is_whole(zero: str) -> None:
    assert int(written_out(zero.encode())) == 0


@pytest.mark.parametrize(
    "text", ["", "-", "01", "1.", ".1", "1e", "+1", "1_0", "NaN", "\u0661", "1 ", "1\n"]
)
def test_what_json_does_not_read_is_no_number(text: str) -> None:
    assert not is_number(text.encode())

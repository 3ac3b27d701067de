"""Values of settings, which are texts, as defaults of generations."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.catalogs import DEFAULTS
from chalicelib.schemas.limits import CfgScale, Pixels, Value
from chalicelib.schemas.parsing import convert


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

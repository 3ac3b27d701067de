"""The prices of GPU instances, and how a deployment overrides them."""

import pytest

from chalicelib.config import Config
from chalicelib.services.billing.price_list import ON_DEMAND, read_prices
from chalicelib.services.billing.prices import cost_of, hourly_price


def test_known_types_have_an_hourly_price() -> None:
    assert hourly_price("g5.xlarge") == 1.006
    assert cost_of("g5.xlarge", 3600) == 1.006
    assert cost_of("g4dn.xlarge", 10) == pytest.approx(0.526 / 360)


def test_an_unknown_type_has_the_highest_known_price() -> None:
    assert hourly_price("x9.huge") == max(ON_DEMAND.values())
    assert cost_of("x9.huge", 3600) == max(ON_DEMAND.values())


@pytest.mark.parametrize("instance_type", ["", None])
def test_a_gpu_without_an_instance_type_has_no_price(instance_type: str | None) -> None:
    assert hourly_price(instance_type) is None
    assert cost_of(instance_type, 10) is None


def test_prices_are_read_from_the_configuration() -> None:
    text = Config.from_environment({"GPU_PRICES": "g5.xlarge=1.006, g6.xlarge=0.80"}).gpu_prices
    assert read_prices(text) == {"g5.xlarge": 1.006, "g6.xlarge": 0.8}
    assert read_prices("") == read_prices(" ") == {}


@pytest.mark.parametrize(
    "text",
    ["g5.xlarge", "g5.xlarge=", "=1", "a=1,", "a=-1", "a=1e3", "a=nan", "a=1.2.3", "a=.", ","],
)
def test_a_malformed_price_raises_an_error_that_names_gpu_prices(text: str) -> None:
    with pytest.raises(ValueError, match="GPU_PRICES"):
        read_prices(text)

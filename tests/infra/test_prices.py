"""Today's prices, as the Pricing API returns them."""

import json
from typing import Any

from chalicelib.services.billing.price_list import read_prices
from infra.prices import gpu_prices


class Pricing:
    """The Pricing API of a region that offers some types."""

    def __init__(self, prices: dict[str, str]) -> None:
        self.prices = prices
        self.asked: list[dict[str, str]] = []

    def get_products(self, **asked: Any) -> dict[str, Any]:
        assert asked["ServiceCode"] == "AmazonEC2"
        wanted = {each["Field"]: each["Value"] for each in asked["Filters"]}
        self.asked.append(wanted)
        price = self.prices.get(wanted["instanceType"])
        return {"PriceList": [_product(price)] if price else []}


def _product(price: str) -> str:
    hourly = {"unit": "Hrs", "pricePerUnit": {"USD": price}}
    upfront = {"unit": "Quantity", "pricePerUnit": {"USD": "999"}}
    term = {"priceDimensions": {"a": hourly, "b": upfront}}
    return json.dumps({"terms": {"OnDemand": {"x": term}, "Reserved": {}}})


def test_todays_prices_have_the_form_of_the_configuration() -> None:
    pricing = Pricing({"g5.xlarge": "1.1230000000", "g6.xlarge": "0.8900000000"})
    line = gpu_prices(["g5.xlarge", "g6.xlarge", "p3.2xlarge"], "eu-west-1", pricing)
    assert line == "g5.xlarge=1.123,g6.xlarge=0.89"
    assert read_prices(line) == {"g5.xlarge": 1.123, "g6.xlarge": 0.89}


def test_the_price_is_that_of_plain_linux_on_demand_in_the_region() -> None:
    pricing = Pricing({})
    assert gpu_prices(["g5.xlarge"], "eu-west-1", pricing) == ""
    [asked] = pricing.asked
    assert (asked["regionCode"], asked["operatingSystem"]) == ("eu-west-1", "Linux")
    assert (asked["tenancy"], asked["preInstalledSw"]) == ("Shared", "NA")

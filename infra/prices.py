"""Ask AWS for today's prices of GPU instances, and print them as the parameter GpuPrices.

python -m infra.prices [REGION]
"""

import json
import sys
from collections.abc import Iterable
from typing import Any

from chalicelib.services.billing.price_list import ON_DEMAND, read_prices
from infra.aws import connect, run
from infra.deploy.stack import DeploymentFailed
from infra.failures import CommandFailed

# A type has many prices; this selects that of a plain Linux instance on demand.
_PLAIN = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}


def check_prices(types: str, prices: str) -> None:
    """Raise DeploymentFailed if the price of a type is neither built in nor given.

    The daily budget is in dollars, so each type needs a price.
    """
    known = ON_DEMAND.keys() | read_prices(prices).keys()
    names = [name for each in types.split(",") if (name := each.strip())]
    if unknown := [name for name in names if name not in known]:
        raise DeploymentFailed(
            f"The price of {', '.join(unknown)} is not known, and the daily budget needs it: add "
            + " ".join(f"GpuPrices={name}=DOLLARS_AN_HOUR" for name in unknown[:1])
        )


def gpu_prices(types: Iterable[str], region: str, pricing: Any) -> str:
    """Return `TYPE=DOLLARS,…` per hour, without the types that the region does not offer."""
    found = {each: _price(each, region, pricing) for each in types}
    return ",".join(f"{each}={price:g}" for each, price in found.items() if price)


def _price(instance_type: str, region: str, pricing: Any) -> float | None:
    wanted = {**_PLAIN, "instanceType": instance_type, "regionCode": region}
    filters = [
        {"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()
    ]
    answer = pricing.get_products(ServiceCode="AmazonEC2", Filters=filters)
    dollars = [price for product in answer["PriceList"] for price in _hourly(json.loads(product))]
    return max(dollars, default=None)


def _hourly(product: dict[str, Any]) -> Iterable[float]:
    for term in product["terms"].get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            if dimension["unit"] == "Hrs":
                yield float(dimension["pricePerUnit"].get("USD", 0))


def main() -> None:
    account = connect("".join(sys.argv[1:2]))
    # The Pricing API is in a few regions only, and has the prices of all regions.
    pricing = account.client("pricing", region_name="us-east-1")
    found = gpu_prices(ON_DEMAND, account.region, pricing)
    if not found:
        raise CommandFailed(f"AWS has no price of a GPU instance in {account.region}: check REGION")
    print(f"GpuPrices={found}")


if __name__ == "__main__":
    run(main)

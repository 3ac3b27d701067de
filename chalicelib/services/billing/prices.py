"""Prices of this deployment's GPU instances."""

import logging
from functools import cache

from chalicelib.config import config
from chalicelib.services.billing.price_list import ON_DEMAND, read_prices

log = logging.getLogger("darkroom.prices")

_HOUR_SECONDS = 3600
_DIGITS = 9  # of a stored cost; DynamoDB adds decimals exactly

_PRICES = ON_DEMAND | read_prices(config.gpu_prices)


@cache
def hourly_price(instance_type: str | None) -> float | None:
    """Return dollars an hour; None if there is no instance.

    A type without a known price counts as the most expensive type that has one.
    """
    if not instance_type:
        return None
    if instance_type not in _PRICES:
        log.warning(
            "GPU_PRICES has no price for %s; it counts as the most expensive type", instance_type
        )
    return _PRICES.get(instance_type, max(_PRICES.values()))


def cost_of(instance_type: str | None, seconds: float) -> float | None:
    """Return the cost of an instance's seconds in dollars; None if there is no instance."""
    price = hourly_price(instance_type)
    return None if price is None else round(seconds * price / _HOUR_SECONDS, _DIGITS)

"""What EC2 asks for GPU instances, as far as we know."""

import logging
from functools import cache

from chalicelib.config import config

# Dollars an hour, on demand, Linux, us-east-1. `make prices` asks AWS for those of today.
ON_DEMAND = {
    "g4dn.xlarge": 0.526,
    "g4dn.2xlarge": 0.752,
    "g5.xlarge": 1.006,
    "g5.2xlarge": 1.212,
    "g5.4xlarge": 1.624,
    "g6.xlarge": 0.8048,
    "g6.2xlarge": 0.9776,
    "g6e.xlarge": 1.861,
    "p3.2xlarge": 3.06,
}

log = logging.getLogger("darkroom.prices")

_HOUR_SECONDS = 3600
_DIGITS = 9  # of a stored cost; DynamoDB adds decimals exactly


def read_prices(text: str) -> dict[str, float]:
    """Read `g5.xlarge=1.006,g6.xlarge=0.80`, dollars an hour; raise ValueError for another text."""
    return dict(_price(entry) for entry in text.split(",")) if text.strip() else {}


def _price(entry: str) -> tuple[str, float]:
    instance_type, _, digits = (part.strip() for part in entry.partition("="))
    is_number = digits.isascii() and digits.replace(".", "", 1).isdigit()
    if not (instance_type and is_number):
        raise ValueError(
            "environment variable GPU_PRICES must be like g5.xlarge=1.006,g6.xlarge=0.80, "
            f"not {entry!r}"
        )
    return instance_type, float(digits)


_PRICES = ON_DEMAND | read_prices(config.gpu_prices)


@cache
def hourly_price(instance_type: str | None) -> float | None:
    """Return dollars an hour; None if there is no instance.

    A type whose price is not known counts as the dearest that is.
    """
    if not instance_type:
        return None
    if instance_type not in _PRICES:
        log.warning("GPU_PRICES lacks %s; it counts as the dearest type", instance_type)
    return _PRICES.get(instance_type, max(_PRICES.values()))


def cost_of(instance_type: str | None, seconds: float) -> float | None:
    """Return what seconds of an instance cost, in dollars; None if there is none."""
    price = hourly_price(instance_type)
    return None if price is None else round(seconds * price / _HOUR_SECONDS, _DIGITS)

"""EC2's prices of GPU instances, and how other prices are written. Reads no configuration."""

# Dollars an hour, on demand, Linux, us-east-1. `make prices` asks AWS for today's prices.
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


def read_prices(text: str) -> dict[str, float]:
    """Parse `g5.xlarge=1.006,g6.xlarge=0.80`, in dollars an hour; raise ValueError if malformed."""
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

"""CloudWatch metrics, as log lines in the embedded metric format: no API is called.

A metric costs only while it is emitted (Amazon CloudWatch pricing), so an idle deployment is free.
"""

import logging
import time
from typing import Any

from chalicelib.config import config

NAMESPACE = "Darkroom"

_UNITS = {"Seconds": "Seconds", "Dollars": "None", "Percent": "Percent"}

log = logging.getLogger("darkroom.metrics")


def emit(event: str, figures: dict[str, float], **about: Any) -> None:
    """Log an event with metrics by their CloudWatch names, and `about` as further fields.

    A name that ends in `Seconds`, `Dollars` or `Percent` has that unit; all others are counts.
    """
    metrics = [{"Name": name, "Unit": _unit(name)} for name in figures]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Stack"]], "Metrics": metrics}
    emf = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    log.info(event, extra={"_aws": emf, "Stack": config.fleet_tag, **figures, **about})


def _unit(name: str) -> str:
    return next((unit for end, unit in _UNITS.items() if name.endswith(end)), "Count")

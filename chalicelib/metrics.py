"""Figures for CloudWatch, in log lines of the embedded metric format: nothing is called.

A figure costs only while it is told (Amazon CloudWatch pricing), so that rest is free.
"""

import logging
import time
from typing import Any

from chalicelib.config import config

NAMESPACE = "Darkroom"

_UNITS = {"Seconds": "Seconds", "Dollars": "None", "Percent": "Percent"}

log = logging.getLogger("darkroom.metrics")


def emit(event: str, figures: dict[str, float], **about: Any) -> None:
    """Log what happened, with figures by their CloudWatch names and whatever tells what about.

    Names that end in `Seconds`, `Dollars` or `Percent` are that, all others are counts.
    """
    metrics = [{"Name": name, "Unit": _unit(name)} for name in figures]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Stack"]], "Metrics": metrics}
    emf = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    log.info(event, extra={"_aws": emf, "Stack": config.fleet_tag, **figures, **about})


def _unit(name: str) -> str:
    return next((unit for end, unit in _UNITS.items() if name.endswith(end)), "Count")

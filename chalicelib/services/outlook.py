"""What is said of a fleet that cannot serve now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import ComfyUIUnavailable, GpuNotReady
from chalicelib.models.start_series import StartSeries
from chalicelib.services.instance_state import (
    BOOTING,
    BUSY,
    DRAINING,
    READY,
    STARTING,
    UNHEALTHY,
)
from chalicelib.services.starting import refusal_of

if TYPE_CHECKING:
    from chalicelib.services.server import Seen

_LOOK_SECONDS = 2
_UNHEALTHY_SECONDS = 15


def run_seconds(seen: list[Seen]) -> float | None:
    """Return how long an image takes on average, by the recent ones."""
    known = [float(each.record.run_seconds) for each in seen if each.record.run_seconds is not None]
    return sum(known) / len(known) if known else None


def progress(seen: list[Seen], now: float) -> GpuNotReady:
    """Say what is nearest to a GPU that serves."""
    states = {each.state for each in seen}
    if states & {BOOTING, READY, BUSY}:
        return GpuNotReady("the GPU instance is booting", retry_seconds=_LOOK_SECONDS)
    if DRAINING in states:
        return GpuNotReady("the GPU instance ends its work, and is started anew", retry_seconds=5)
    if STARTING not in states:
        series = StartSeries.read(now=now)
        if why := refusal_of(series):
            seconds = max(int(series.next_at - now) + 1, _LOOK_SECONDS)
            return GpuNotReady(why, retry_seconds=seconds)
        if states <= {UNHEALTHY}:
            reasons = "; ".join(sorted({each.record.why for each in seen if each.record.why}))
            text = f"the GPU instance is unhealthy: {reasons or 'its ComfyUI does not work'}"
            return GpuNotReady(text, retry_seconds=_UNHEALTHY_SECONDS)
    return GpuNotReady("the GPU instance is starting", retry_seconds=_LOOK_SECONDS)


def no_instance() -> ComfyUIUnavailable:
    """Return what is wrong when EC2 knows no instance of the fleet."""
    return ComfyUIUnavailable(
        "there is no GPU instance",
        suggestion="Tag an EC2 instance that runs ComfyUI for this fleet, or set COMFYUI_URL",
    )


def not_answering() -> ComfyUIUnavailable:
    """Return what is wrong when a ComfyUI that we cannot start is silent."""
    return ComfyUIUnavailable(
        "ComfyUI does not answer at the configured address",
        suggestion="Check if ComfyUI is running and COMFYUI_URL is right",
    )

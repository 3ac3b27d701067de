"""What people are told about the GPUs: in a status, and while a job waits for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.errors import ComfyUIUnavailable, GpuNotReady
from chalicelib.models.catalogs import budget_mark
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs.listing import count_open
from chalicelib.services.gpus import state as instance_state
from chalicelib.services.gpus.starter import refusal_of
from chalicelib.services.gpus.state import (
    BOOTING,
    BUSY,
    DRAINING,
    READY,
    STARTING,
    UNHEALTHY,
)

if TYPE_CHECKING:
    from chalicelib.services.billing.budget import Budget
    from chalicelib.services.gpus.inventory import InstanceView, Inventory

UNAVAILABLE = "unavailable"

# From the nearest to an image to the farthest.
_SENTENCES = {
    instance_state.READY: "ComfyUI is ready",
    instance_state.BUSY: "ComfyUI is generating",
    instance_state.BOOTING: "The GPU instance runs and ComfyUI is booting",
    instance_state.STARTING: "The GPU instance is starting",
    instance_state.DRAINING: "The GPU instance ends its work, and stops",
    instance_state.STOPPING: "The GPU instance is stopping; the next image starts it again",
    instance_state.STOPPED: "The GPU is off; the next image starts it",
    instance_state.NO_CAPACITY: "The GPU is off, and EC2 does not start it",
    instance_state.UNHEALTHY: "The GPU instance does not work; it is stopped and started anew",
    UNAVAILABLE: "There is no ComfyUI that could serve: none is running, and none can be started",
}


class Status(Struct, frozen=True):
    """`status` is one of an instance's states, of the one nearest to an image, or unavailable."""

    status: str
    message: str


def comfyui_status(inventory: Inventory, budget: Budget, now: float) -> Status:
    """Ask the instances and the job table, and change nothing; a GPU that is off is no error."""
    views = inventory.views(max_age_seconds=2)  # people watch a GPU start
    status = _status(views)
    mark = budget_mark.read()
    if mark and mark.is_exhausted(budget.dollars, now):
        return Status(status, f"{_sentence(budget.reason)}. {_backlog()}.")
    return Status(status, f"{_SENTENCES[status]}{_why(status, views, now)}. {_backlog()}.")


def _status(views: list[InstanceView]) -> str:
    states = {each.state for each in views if each.server or each.instance.can_be_started}
    return next((word for word in _SENTENCES if word in states), UNAVAILABLE)


def _why(status: str, views: list[InstanceView], now: float) -> str:
    if status == instance_state.NO_CAPACITY:
        return f": {refusal_of(StartSeries.read(now=now))}"
    reasons = _reasons([each for each in views if each.state == status])
    return f": {reasons}" if reasons else ""


def _reasons(views: list[InstanceView]) -> str:
    return "; ".join(sorted({each.record.unhealthy_reason for each in views} - {None}))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _backlog() -> str:
    counts = count_open()
    waiting = counts["queued"] + counts["starting"]
    if not waiting + counts["running"]:
        return "No jobs are waiting"
    return f"{_jobs(counts['running'])} running, {_jobs(waiting)} waiting"


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


_LOOK_SECONDS = 2
_UNHEALTHY_SECONDS = 15


def execution_seconds(views: list[InstanceView]) -> float | None:
    """Return how long an image takes on average, by the recent ones."""
    known = [
        float(each.record.execution_seconds)
        for each in views
        if each.record.execution_seconds is not None
    ]
    return sum(known) / len(known) if known else None


def progress(views: list[InstanceView], now: float) -> GpuNotReady:
    """Say what is nearest to a GPU that serves."""
    states = {each.state for each in views}
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
            text = (
                f"the GPU instance is unhealthy: {_reasons(views) or 'its ComfyUI does not work'}"
            )
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

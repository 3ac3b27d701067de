"""Texts about the GPUs: for the status, and for jobs that wait for a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.errors import GpuNotReady
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

# Ordered by how close an instance is to an image: the status is the first state that one has.
_SENTENCES = {
    instance_state.READY: "ComfyUI is ready",
    instance_state.BUSY: "ComfyUI is generating",
    instance_state.BOOTING: "The GPU instance is running and ComfyUI is booting",
    instance_state.STARTING: "The GPU instance is starting",
    instance_state.DRAINING: "The GPU instance finishes its jobs and stops",
    instance_state.STOPPING: "The GPU instance is stopping; the next image starts it again",
    instance_state.STOPPED: "The GPU is off; the next image starts it",
    instance_state.NO_CAPACITY: "The GPU is off and EC2 does not start it",
    instance_state.UNHEALTHY: "The GPU instance is unhealthy; it is stopped and started again",
    UNAVAILABLE: "ComfyUI is not available: no instance serves, and none can be started",
}


class Status(Struct, frozen=True):
    """`status` is the state of the instance that is closest to an image, or `unavailable`."""

    status: str
    message: str


def comfyui_status(inventory: Inventory, budget: Budget, now: float) -> Status:
    """Return the status of the GPUs and the number of open jobs, and write nothing."""
    views = inventory.views(max_age_seconds=2)  # users poll this while a GPU starts
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
    """Return the average seconds of recent executions; None if there are none."""
    known = [
        float(each.record.execution_seconds)
        for each in views
        if each.record.execution_seconds is not None
    ]
    return sum(known) / len(known) if known else None


def progress(views: list[InstanceView], now: float) -> GpuNotReady:
    """Return what a job waits for: the state of the instance that is closest to serving."""
    states = {each.state for each in views}
    if states & {BOOTING, READY, BUSY}:
        return GpuNotReady("the GPU instance is booting", retry_seconds=_LOOK_SECONDS)
    if DRAINING in states:
        return GpuNotReady("the GPU instance is draining before a restart", retry_seconds=5)
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

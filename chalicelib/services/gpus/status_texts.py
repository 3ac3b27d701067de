"""Texts about the GPUs: for the status, and for jobs that wait for a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.errors import GpuNotReady
from chalicelib.models.catalogs import budget_mark
from chalicelib.models.fleet.creation import Creation
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs import queue
from chalicelib.services.gpus import state as instance_state
from chalicelib.services.gpus.starter import hold_of, refusal_of
from chalicelib.services.gpus.state import (
    BOOTING,
    BUSY,
    DRAINING,
    READY,
    STARTING,
    STOPPING,
    UNHEALTHY,
    state_by_record,
)
from chalicelib.services.gpus.stuck import stuck_text

if TYPE_CHECKING:
    from chalicelib.models.fleet.instance import InstanceRecord
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
    """Return the status of the GPUs and about how many jobs are open, and write nothing.

    Users poll this while a GPU starts, so it asks no GPU and not EC2 if records of instances exist.
    """
    series, records = StartSeries.read_with_records(now=now)
    views = [
        (state_by_record(each, now=now, has_capacity=not series.failed), each) for each in records
    ]
    if not records or inventory.is_fixed:
        views = [(each.state, each.record) for each in inventory.views() if each.may_serve]
    states = {state for state, _ in views}
    status = next((word for word in _SENTENCES if word in states), UNAVAILABLE)
    mark, backlog = budget_mark.read(), _backlog([record for _, record in views])
    if status not in (READY, BUSY) and (held := hold_of(series, now=now)):
        return Status(status, f"{_sentence(held)}. {backlog}.")
    if mark and mark.is_exhausted(budget.dollars, now):
        return Status(status, f"{_sentence(budget.reason)}. {backlog}.")
    if status == STOPPING and (stuck := stuck_text([record for _, record in views], now)):
        return Status(status, f"{_sentence(stuck)}. {backlog}.")
    if status == instance_state.NO_CAPACITY:
        why = refusal_of(series) or ""
    elif not views:
        why = Creation.why_no_instance() or ""
    else:
        why = _reasons([record for state, record in views if state == status])
    return Status(status, f"{_SENTENCES[status]}{f': {why}' if why else ''}. {backlog}.")


def _reasons(records: list[InstanceRecord]) -> str:
    return "; ".join(sorted({each.unhealthy_reason for each in records} - {None}))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _backlog(records: list[InstanceRecord]) -> str:
    running = sum(len(each.slot_holders) for each in records)
    waiting = queue.counted()
    if not waiting + running:
        return "No jobs are waiting"
    return f"{_jobs(running)} running, {_jobs(waiting)} waiting"


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


_LOOK_SECONDS = 2
_UNHEALTHY_SECONDS = 15
_NONE_SECONDS = 60


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
    if not views:
        none = Creation.why_no_instance() or "there is no GPU instance"
        return GpuNotReady(none, retry_seconds=_NONE_SECONDS)
    if states & {BOOTING, READY, BUSY}:
        return GpuNotReady("the GPU instance is booting", retry_seconds=_LOOK_SECONDS)
    if DRAINING in states:
        return GpuNotReady("the GPU instance is draining before a restart", retry_seconds=5)
    if STARTING not in states:
        series = StartSeries.read(now=now)
        if why := refusal_of(series):
            seconds = max(int(series.next_at - now) + 1, _LOOK_SECONDS)
            return GpuNotReady(why, retry_seconds=seconds)
        records = [each.record for each in views]
        if states <= {STOPPING, UNHEALTHY} and (stuck := stuck_text(records, now)):
            return GpuNotReady(stuck, retry_seconds=_UNHEALTHY_SECONDS)
        if states <= {UNHEALTHY}:
            why = _reasons(records) or "its ComfyUI does not work"
            text = f"the GPU instance is unhealthy: {why}"
            return GpuNotReady(text, retry_seconds=_UNHEALTHY_SECONDS)
    return GpuNotReady("the GPU instance is starting", retry_seconds=_LOOK_SECONDS)

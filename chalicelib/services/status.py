"""What the GPU is doing, in one word for programs and a sentence for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.models import budget_mark
from chalicelib.models.job_listing import count_open
from chalicelib.models.start_series import StartSeries
from chalicelib.services import instance_state
from chalicelib.services.starting import refusal_of

if TYPE_CHECKING:
    from chalicelib.services.budget import Budget
    from chalicelib.services.fleet import Fleet
    from chalicelib.services.server import Seen

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


def comfyui_status(fleet: Fleet, budget: Budget, now: float) -> Status:
    """Ask the fleet and the job table; never raises for a GPU that is off or gone."""
    seen = fleet.survey(max_age_seconds=2)  # people watch a GPU start
    status = _status(seen)
    mark = budget_mark.read()
    if mark and mark.is_exhausted(budget.dollars, now):
        return Status(status, f"{_sentence(budget.reason)}. {_backlog()}.")
    return Status(status, f"{_SENTENCES[status]}{_why(status, seen, now)}. {_backlog()}.")


def _status(seen: list[Seen]) -> str:
    states = {each.state for each in seen if each.server or each.instance.can_be_started}
    return next((word for word in _SENTENCES if word in states), UNAVAILABLE)


def _why(status: str, seen: list[Seen], now: float) -> str:
    if status == instance_state.NO_CAPACITY:
        return f": {refusal_of(StartSeries.read(now=now))}"
    reasons = {each.record.why for each in seen if each.state == status and each.record.why}
    return f": {'; '.join(sorted(reasons))}" if reasons else ""


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

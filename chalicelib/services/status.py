"""What the GPU is doing, in one word for programs and a sentence for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.models.job_listing import count_open

if TYPE_CHECKING:
    from chalicelib.services.fleet import Fleet

_SENTENCES = {
    "unavailable": "There is no ComfyUI that could serve: none is running, and none can be started",
    "stopped": "The GPU is off; the next image starts it",
    "starting": "The GPU instance is starting",
    "stopping": "The GPU instance is stopping; the next image starts it again",
    "booting": "The GPU instance runs and ComfyUI is booting",
    "unhealthy": "ComfyUI answers and does not work; its instance is stopped and started anew",
    "ready": "ComfyUI is ready",
    "busy": "ComfyUI is generating",
}
# EC2's words, from the nearest to an image to the farthest; a running one is booting to us.
_BY_STATE = {
    "running": "booting",
    "pending": "starting",
    "stopping": "stopping",
    "stopped": "stopped",
}


class Status(Struct, frozen=True):
    """`status` is one of: unavailable, stopped, starting, stopping, booting, unhealthy, ready,
    busy."""

    status: str
    message: str


def comfyui_status(fleet: Fleet) -> Status:
    """Ask the fleet and the job table; never raises for a GPU that is off or gone."""
    status = _status(fleet)
    return Status(status, f"{_SENTENCES[status]}. {_backlog()}.")


def _status(fleet: Fleet) -> str:
    fleet.members(max_age_seconds=1)  # a person who watches a GPU start looks every second
    answering = fleet.answering()
    if servers := [server for server in answering if not server.is_sick]:
        return "busy" if all(server.queue_length for server in servers) else "ready"
    if answering:
        return "unhealthy"
    members = fleet.members()
    if not any(each.can_be_started for each in members):
        return "unavailable"
    states = {each.state for each in members}
    return next((word for state, word in _BY_STATE.items() if state in states), "unavailable")


def _backlog() -> str:
    counts = count_open()
    waiting = counts["queued"] + counts["starting"]
    if not waiting + counts["running"]:
        return "No jobs are waiting"
    return f"{_jobs(counts['running'])} running, {_jobs(waiting)} waiting"


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"

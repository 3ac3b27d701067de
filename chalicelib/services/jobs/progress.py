"""Write a job's progress for callers that poll, and detect an execution without progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chalicelib.config import config
from chalicelib.models.jobs.job import Job
from chalicelib.services.jobs.attempts import shows_life
from chalicelib.services.jobs.lease import LEASE_SECONDS
from chalicelib.signals import NoProgress
from chalicelib.workflows import load

if TYPE_CHECKING:
    from chalicelib.gateways.comfyui.state import Waiting

_SECONDS = 1.0

_RENEWED_SECONDS = 20  # a lease is renewed this long before its end


class Reporter:
    """Writes a job's progress when it changes, at most once a second, and renews its lease.

    Both methods raise LeaseLost when the driver no longer holds the lease.
    """

    def __init__(self, job: Job, clock: Callable[[], float]) -> None:
        self._job = job
        self._clock = clock
        self._written_at = clock()
        self._heard_at = float(job.progressed_at or clock())
        self._position = int(job.queue_position or 0)
        self._progress = job.progress

    def heard(self, progress: dict[str, Any] | None) -> None:
        """Record an event of the execution."""
        self._heard_at = self._clock()
        self._note(0, self._named(progress) or self._progress)

    def seen(self, state: Waiting, *, is_listening: bool) -> None:
        """Record the position in ComfyUI's queue; raise NoProgress if its execution makes none.

        Without a websocket the job's own execution sends no events, and only its deadline ends it.
        """
        now = self._clock()
        has_moved = state.position != self._position
        is_deaf = state.position == 0 and not is_listening
        if has_moved or is_deaf:
            self._heard_at = now
        elif state.running and now - self._heard_at >= config.no_progress_seconds:
            self._check(state.running, state.position)
        self._note(state.position, self._progress)

    def _check(self, running: str, position: int) -> None:
        now = self._clock()
        since = now - config.no_progress_seconds
        if not position or not shows_life(running, self._job, since=since):
            error = f"no progress for {config.no_progress_seconds} seconds"
            raise NoProgress(error, attempt_id=running)
        self._heard_at = now

    def _note(self, position: int, progress: dict[str, Any] | None) -> None:
        now = self._clock()
        begins = position == 0 != self._position  # decides later whether a lost attempt ever ran
        is_known = (position, progress) == (self._position, self._progress)
        is_held = self._job.due_at - now > _RENEWED_SECONDS
        is_soon = now - self._written_at < _SECONDS
        if (is_known and is_held) or (is_soon and not begins):
            return
        # The lease is renewed only when needed, as each new end is also written to the index.
        until = self._job.due_at if is_held else now + LEASE_SECONDS
        self._job.report(progress, queue_position=position, now=self._heard_at, until=until)
        self._written_at = now
        self._position, self._progress = position, progress

    def _named(self, progress: dict[str, Any] | None) -> dict[str, Any] | None:
        """Replace the node's number in the graph by its class."""
        if progress is None:
            return None
        node = load(self._job.workflow).graph.get(str(progress["node"]), {})
        return {**progress, "node": node.get("class_type", progress["node"])}

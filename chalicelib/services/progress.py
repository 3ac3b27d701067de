"""How far an image is, written for those who poll."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.workflows import TEXT_TO_IMAGE, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.gateways.comfyui_state import Waiting
    from chalicelib.models.job import Job

_SECONDS = 1.0


class Reporter:
    """Writes a job's progress at most once a second, and only what has changed."""

    def __init__(self, job: Job, clock: Callable[[], float]) -> None:
        self._job = job
        self._clock = clock
        self._written_at = clock()
        self._last = (int(job.queue_position or 0), job.progress)

    def __call__(self, waiting: Waiting) -> None:
        """Note a step; raise LeaseLost when the job is no longer ours."""
        seen = (waiting.position, self._named(waiting.progress) or self._last[1])
        if seen == self._last or self._clock() - self._written_at < _SECONDS:
            return
        self._job.report(seen[1], queue_position=seen[0])
        self._written_at = self._clock()
        self._last = seen

    def _named(self, progress: dict[str, Any] | None) -> dict[str, Any] | None:
        """Say the node's class rather than its number in the graph."""
        if progress is None:
            return None
        node = load(TEXT_TO_IMAGE).graph.get(str(progress["node"]), {})
        return {**progress, "node": node.get("class_type", progress["node"])}

"""The warm-up: a running instance can serve once its ComfyUI answers and has warmed up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.errors import WorkflowRejected
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.workflows import WARM_UP, Graph, load

if TYPE_CHECKING:
    from chalicelib.gateways.comfyui.client import ComfyUI
    from chalicelib.gateways.comfyui.state import Finished

log = logging.getLogger("darkroom.warm_up")

# ComfyUI no longer knows this id after a restart, and is warmed up again.
WARM_UP_ID = "d53755f8-a741-54f1-aa4c-f9556bb30287"


class WarmUp:
    """Makes an instance load the checkpoint before its first job; None skips the warm-up."""

    def __init__(self, checkpoint: str | None, clock: Callable[[], float]) -> None:
        self._checkpoint = checkpoint
        self._clock = clock

    def go_on(self, comfyui: ComfyUI, record: InstanceRecord) -> bool:
        """Do the next step of the warm-up, if one is left; return whether the instance is ready.

        Safe to call concurrently. Raise ComfyUIUnreachable.
        """
        if record.ready_at is not None:
            return True
        if not self._checkpoint or self._is_warm(comfyui, record, self._checkpoint):
            record.became_ready(now=self._clock())
            return True
        return False

    def _is_warm(self, comfyui: ComfyUI, record: InstanceRecord, checkpoint: str) -> bool:
        state = comfyui.find(WARM_UP_ID)
        if state is None:
            return not self._submit(comfyui, checkpoint)
        return state.is_finished and self._judge(state, record)

    def _submit(self, comfyui: ComfyUI, checkpoint: str) -> bool:
        """Submit the warm-up; return whether ComfyUI accepted it."""
        try:
            comfyui.submit(WARM_UP_ID, _graph(checkpoint), [load(WARM_UP).output])
        except WorkflowRejected as refusal:
            # Jobs may use another checkpoint; a job that uses this one fails with ComfyUI's reason.
            log.error("ComfyUI refuses the warm-up: %s", refusal)  # noqa: TRY400
            return False
        return True

    def _judge(self, end: Finished, record: InstanceRecord) -> bool:
        if end.failure and end.failure.kind != "interrupted":
            record.mark_unhealthy(f"the warm-up failed: {end.failure.error}", now=self._clock())
            return False
        return True


def _graph(checkpoint: str) -> Graph:
    return load(WARM_UP).render({"checkpoint": checkpoint}, filename_prefix="darkroom/warm-up")

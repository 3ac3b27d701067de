"""The end of an attempt: its image is stored, or it is over for a reason."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NoReturn

from chalicelib.errors import AttemptOver, GenerationFailed
from chalicelib.services import telling
from chalicelib.services.attempts import HELD_UP, note_run
from chalicelib.workflows import TEXT_TO_IMAGE, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.errors import Stalled
    from chalicelib.gateways.comfyui_errors import Failure
    from chalicelib.gateways.comfyui_state import Finished, State
    from chalicelib.models.job import Job
    from chalicelib.services.clearing import Clearing
    from chalicelib.services.server import Server
    from chalicelib.services.storing import Storing

log = logging.getLogger("darkroom.settling")

_RETRY_SECONDS = 2

# Failures that may not come again once the GPU's memory is free, or ComfyUI started anew. Such
# a job is tried once more; the reason of that attempt tells that it was.
_RETRIED_ONCE = {
    "out_of_memory": "the GPU ran out of memory, which was then freed",
    "gpu_failed": "the GPU reported a fault",
}


class Settling:
    """Brings jobs to their end."""

    def __init__(self, storing: Storing, clearing: Clearing, clock: Callable[[], float]) -> None:
        self._storing = storing
        self._clearing = clearing
        self._clock = clock

    def settle(self, job: Job, server: Server, end: Finished) -> str | None:
        """Bring the job to its end; return why not if the attempt has to be repeated at once.

        Raise AttemptOver when it has to be repeated later, GenerationFailed when not at all.
        """
        note_run(job, end)
        if end.failure and end.failure.kind == "interrupted":
            return end.failure.error
        if end.failure:
            self._fail(job, server, end.failure)
        files = [
            file for file in end.images.get(load(TEXT_TO_IMAGE).output, []) if file.type == "output"
        ]
        if not files:
            raise GenerationFailed("ComfyUI finished without an image", code="no_image")
        stored = self._storing.store(job, server, end, files)
        if stored is None:
            return "its image had vanished from ComfyUI"
        job.succeed(stored, now=self._clock())
        telling.ended(job)
        self._clearing.succeeded(job, server, run_seconds=end.run_seconds)
        return None

    def give_up(self, job: Job, server: Server, stall: Stalled) -> State:
        """End a run that shows no life, ours or one before it; return what is known of ours then.

        A ComfyUI that cannot even do that is not used again: raise AttemptOver.
        """
        attempt_id = job.attempts[-1].id
        is_ours = stall.attempt_id == attempt_id
        is_gone = server.comfyui.drop(stall.attempt_id)
        if is_gone and not is_ours:
            return server.comfyui.find(attempt_id)
        if not is_gone:
            log.error("ComfyUI does not work", extra={"instance_id": server.instance.id})
            server.record.distrust(stall.attempt_id, now=self._clock())
        reason = str(stall) if is_ours else HELD_UP
        raise AttemptOver(reason, retry_seconds=_RETRY_SECONDS)

    def _fail(self, job: Job, server: Server, failure: Failure) -> NoReturn:
        reason = _RETRIED_ONCE.get(failure.kind)
        if failure.kind == "gpu_failed":
            server.record.distrust(job.attempts[-1].id, now=self._clock())
        if reason is None or any(each.reason == reason for each in job.attempts):
            raise GenerationFailed(failure.error, code=failure.kind)
        if failure.kind == "out_of_memory":
            server.comfyui.free()
        raise AttemptOver(reason, retry_seconds=_RETRY_SECONDS)

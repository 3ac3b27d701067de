"""What an ended job leaves behind: prompts in ComfyUI, its seat, images that nobody may have."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from chalicelib.errors import ComfyUIUnreachable, StoreFailed
from chalicelib.models.instance import InstanceRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.gateways.image_store import ImageStore
    from chalicelib.models.attempt import Attempt
    from chalicelib.models.job import Job
    from chalicelib.services.dispatching import Dispatch
    from chalicelib.services.fleet import Fleet, Server

log = logging.getLogger("darkroom.clearing")


class Clearing:
    """Takes a job that ended off the GPU; harmless when repeated, and never in the job's way."""

    def __init__(self, fleet: Fleet, dispatch: Dispatch, images: ImageStore) -> None:
        self._fleet = fleet
        self._dispatch = dispatch
        self._images = images

    def succeeded(self, job: Job, server: Server, *, run_seconds: float | None) -> None:
        """Free the seat of a job that has its image; its earlier attempts are of no more use."""
        self._drop(job.attempts[:-1])
        self._dispatch.leave(job, server.record, run_seconds=run_seconds)

    def ended(self, job: Job) -> None:
        """Stop what still runs for a job that failed or was canceled, and delete its images."""
        if not job.attempts:
            return
        self._drop(job.attempts)
        try:
            self._images.delete(job.id)
        except StoreFailed:
            log.exception("images of an ended job are left", extra={"job_id": job.id})
        self._dispatch.leave(job, InstanceRecord(job.attempts[-1].instance_id))

    def _drop(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            server = self._fleet.server(attempt.instance_id)
            try:
                if server and not server.comfyui.drop(attempt.id):
                    log.warning("an attempt goes on in ComfyUI", extra={"attempt_id": attempt.id})
            except ComfyUIUnreachable:
                continue  # what does not answer forgets its queue when it starts anew

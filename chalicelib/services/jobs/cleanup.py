"""Cleanup: free what an ended job holds: prompts in ComfyUI, its slot, images it must not keep."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from chalicelib.errors import ComfyUIUnreachable
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.status import SUCCEEDED
from chalicelib.services.gpus.dispatcher import Dispatcher
from chalicelib.services.gpus.inventory import Inventory, Server
from chalicelib.services.jobs.attempts import note_execution

if TYPE_CHECKING:
    from chalicelib.gateways.s3 import ImageStore

log = logging.getLogger("darkroom.cleanup")

_REPEAT_SECONDS = 300  # for which images that cannot be deleted are tried again


class Cleanup:
    """Frees what ended jobs hold; safe to repeat. Errors are logged and never raised."""

    def __init__(
        self,
        inventory: Inventory,
        dispatcher: Dispatcher,
        images: ImageStore,
        clock: Callable[[], float],
    ) -> None:
        self._inventory = inventory
        self._dispatcher = dispatcher
        self._images = images
        self._clock = clock

    def succeeded(self, job: Job) -> None:
        """Drop the earlier attempts of a job that has its image, and no slot any more."""
        self._try(job, partial(self._drop, job, len(job.attempts) - 1))

    def ended(self, job: Job) -> None:
        """Free what a job still holds; the process that ended the job may have died before."""
        if not job.attempts:
            return  # if it has a slot, a follower sees that it has ended
        if job.status == SUCCEEDED:
            self._try(job, partial(self._release, job))
        else:
            self._try(job, partial(self._clean_up, job))

    def _try(self, job: Job, *steps: Callable[[], object]) -> bool:
        """Do all steps; return whether none has failed."""
        failed = 0
        for step in steps:
            try:
                step()
            except Exception:
                log.exception("the cleanup of a job failed", extra={"job_id": job.id})
                failed += 1
        return not failed

    def _release(self, job: Job) -> None:
        self._dispatcher.release(job, job.attempts[-1].instance_id)

    def _clean_up(self, job: Job) -> None:
        """Free the slot once nothing is left to clean up; until then a follower repeats this.

        If the images cannot be deleted for five minutes, the slot is freed all the same, so that
        the GPU can stop.
        """
        is_dropped = self._drop(job, len(job.attempts))
        is_clean = self._try(job, job.book, partial(self._images.delete, job.id))
        is_over = self._clock() >= float(job.finished_at or 0) + _REPEAT_SECONDS
        if is_dropped and (is_clean or is_over) and not self._may_be_stored(job):
            self._release(job)

    def _may_be_stored(self, job: Job) -> bool:
        """Return whether a driver that does not know of the end may still store the image."""
        if job.lease in (None, job.held_lease) or job.due_at <= self._clock():
            return False
        attempt = job.attempts[-1]
        server = self._inventory.observe_server(attempt.instance_id)
        state = server.comfyui.find(attempt.id) if server else None
        return state is not None and state.is_finished and state.failure is None

    def _drop(self, job: Job, count: int) -> bool:
        """Drop the first `count` attempts of a job, and note their executions.

        Return False if a ComfyUI did not answer, which may still have one.
        """
        has_answered = True
        for number, attempt in enumerate(job.attempts[:count]):
            try:
                server = self._inventory.observe_server(attempt.instance_id)
                if server and not server.comfyui.drop(attempt.id):
                    log.error(
                        "ComfyUI did not stop an execution; its instance is unhealthy",
                        extra={"instance_id": attempt.instance_id},
                    )
                    server.record.mark_unhealthy_by(attempt.id, now=self._clock())
                elif server and attempt.execution_seconds is None:
                    self._note(job, number, server)
            except ComfyUIUnreachable:
                has_answered = False
        return has_answered

    def _note(self, job: Job, number: int, server: Server) -> None:
        state = server.comfyui.find(job.attempts[number].id)
        if state and state.is_finished:
            note_execution(job, state, number)

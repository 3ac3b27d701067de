"""Cleanup: free what an ended job holds: prompts in ComfyUI, its slot, images it must not keep."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from chalicelib.errors import ComfyUIUnreachable
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import Attempt
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.status import SUCCEEDED
from chalicelib.services.gpus.dispatcher import Dispatcher
from chalicelib.services.gpus.fleet import Fleet
from chalicelib.services.gpus.inventory import Server

if TYPE_CHECKING:
    from chalicelib.gateways.s3 import ImageStore

log = logging.getLogger("darkroom.cleanup")


class Cleanup:
    """Frees what ended jobs hold; safe to repeat. Errors are logged and never raised."""

    def __init__(
        self, fleet: Fleet, dispatcher: Dispatcher, images: ImageStore, clock: Callable[[], float]
    ) -> None:
        self._fleet = fleet
        self._dispatcher = dispatcher
        self._images = images
        self._clock = clock

    def succeeded(self, job: Job, server: Server, *, execution_seconds: float | None) -> None:
        """Free the slot of a job that has its image, and drop its earlier attempts."""
        release = partial(
            self._dispatcher.release, job, server.record, execution_seconds=execution_seconds
        )
        self._try(job, release, partial(self._drop, job.attempts[:-1]))

    def ended(self, job: Job) -> None:
        """Free what a job still holds; the process that ended the job may have died before."""
        if not job.attempts:
            self._try(
                job, self._dispatcher.repair
            )  # it may have had a slot, or been first in the queue
        elif job.status == SUCCEEDED:
            self._try(job, partial(self._release, job))
        else:
            drop, release = partial(self._drop, job.attempts), partial(self._release, job)
            self._try(job, drop, release, partial(self._images.delete, job.id))

    def _try(self, job: Job, *steps: Callable[[], None]) -> None:
        for step in steps:
            try:
                step()
            except Exception:
                log.exception("the cleanup of a job failed", extra={"job_id": job.id})

    def _release(self, job: Job) -> None:
        record = InstanceRecord.read(job.attempts[-1].instance_id)
        if job.id in record.slot_holders:
            self._dispatcher.release(job, record)

    def _drop(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            try:
                server = self._fleet.inventory.observe_server(attempt.instance_id)
                if server and not server.comfyui.drop(attempt.id):
                    log.error(
                        "ComfyUI did not stop an execution; its instance is unhealthy",
                        extra={"instance_id": attempt.instance_id},
                    )
                    server.record.mark_unhealthy_by(attempt.id, now=self._clock())
            except ComfyUIUnreachable:
                continue  # ComfyUI loses its queue when it restarts

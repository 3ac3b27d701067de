"""The end of an attempt: its image and provenance are stored, or it is over for a reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NoReturn

from chalicelib.errors import ComfyUIUnreachable, GenerationFailed
from chalicelib.models.jobs.attempt import (
    HELD_UP,
    IMAGE_GONE,
    INTERRUPTED,
    NO_PROGRESS,
)
from chalicelib.models.jobs.job import Job
from chalicelib.services.gpus.inventory import Server
from chalicelib.services.jobs import job_metrics
from chalicelib.services.jobs.attempts import note_execution
from chalicelib.services.jobs.cleanup import Cleanup
from chalicelib.services.jobs.provenance import Made, Measured, provenance
from chalicelib.services.jobs.retries import reason_to_retry
from chalicelib.signals import AttemptOver, NoProgress
from chalicelib.workflows import load

if TYPE_CHECKING:
    from chalicelib.gateways.comfyui.client import ComfyUI
    from chalicelib.gateways.comfyui.errors import Failure
    from chalicelib.gateways.comfyui.state import Finished, ImageFile, Software, State
    from chalicelib.gateways.s3 import ImageStore

log = logging.getLogger("darkroom.completion")

_RETRY_SECONDS = 2


class Completion:
    """Brings jobs to their end."""

    def __init__(self, storage: ImageStorage, cleanup: Cleanup, clock: Callable[[], float]) -> None:
        self._storage = storage
        self._cleanup = cleanup
        self._clock = clock

    def complete(self, job: Job, server: Server, end: Finished) -> str | None:
        """Bring the job to its end; return why not if the attempt has to be repeated at once.

        Raise AttemptOver when it has to be repeated later, GenerationFailed when not at all.
        """
        note_execution(job, end)
        if end.failure and end.failure.kind == "interrupted":
            return INTERRUPTED
        if end.failure:
            self._fail(job, server, end.failure)
        files = [
            file for file in end.images.get(load(job.workflow).output, []) if file.type == "output"
        ]
        if not files:
            raise GenerationFailed("ComfyUI finished without an image", code="no_image")
        stored = self._storage.store(job, server, end, files)
        if stored is None:
            return IMAGE_GONE
        job.succeed(stored, now=self._clock())
        job_metrics.ended(job)
        self._cleanup.succeeded(job, server, execution_seconds=end.execution_seconds)
        return None

    def give_up(self, job: Job, server: Server, stop: NoProgress) -> State:
        """End a run that shows no life, ours or one before it; return what is known of ours then.

        A ComfyUI that cannot even do that is not used again: raise AttemptOver.
        """
        attempt_id = job.attempts[-1].id
        is_ours = stop.attempt_id == attempt_id
        is_gone = server.comfyui.drop(stop.attempt_id)
        if is_gone and not is_ours:
            return server.comfyui.find(attempt_id)
        if not is_gone:
            log.error("ComfyUI does not work", extra={"instance_id": server.instance.id})
            server.record.mark_unhealthy_by(stop.attempt_id, now=self._clock())
        reason = NO_PROGRESS if is_ours else HELD_UP
        raise AttemptOver(reason, retry_seconds=_RETRY_SECONDS)

    def _fail(self, job: Job, server: Server, failure: Failure) -> NoReturn:
        reason = reason_to_retry(job, failure.kind)
        if failure.kind == "gpu_failed":
            server.record.mark_unhealthy_by(job.attempts[-1].id, now=self._clock())
        if reason is None:
            raise GenerationFailed(failure.error, code=failure.kind)
        if failure.kind == "out_of_memory":
            server.comfyui.free()
        raise AttemptOver(reason, retry_seconds=_RETRY_SECONDS)


class ImageStorage:
    """Stores what a run has made; repeated, it overwrites itself."""

    def __init__(self, images: ImageStore) -> None:
        self._images = images
        self._software: dict[tuple[str, float | None], Software | None] = {}

    def store(
        self, job: Job, server: Server, end: Finished, files: Sequence[ImageFile]
    ) -> list[dict[str, Any]] | None:
        """Store the images of the job's last attempt; None if ComfyUI has lost one.

        Raise StoreFailed, or ComfyUIUnreachable.
        """
        software = self._software_of(server)
        stored = []
        for index, file in enumerate(files):
            name = f"images/{job.id}/{index}"
            key, beside = f"{name}{PurePosixPath(file.filename).suffix}", f"{name}.json"
            content = self._copy(server.comfyui, file, key)
            if content is None:
                return None
            image = Made(f"{job.id}-{index}", index, content)
            self._write(beside, provenance(job, end, software, image))
            stored.append({"id": image.id, "key": key, "provenance": beside})
        return stored

    def _copy(self, comfyui: ComfyUI, file: ImageFile, key: str) -> Measured | None:
        with comfyui.image(file) as found:
            if found is None:
                return None
            content, size = found
            measured = Measured(content)
            self._images.put(key, measured, size)
        return measured

    def _write(self, key: str, text: bytes) -> None:
        self._images.put(key, BytesIO(text), len(text))

    def _software_of(self, server: Server) -> Software | None:
        """Ask a ComfyUI once in each of its lives what it runs on; an image does not wait long."""
        life = (server.instance.id, server.record.ready_at)
        if life not in self._software:
            try:
                self._software[life] = server.comfyui.software()
            except ComfyUIUnreachable:
                return None
        return self._software[life]

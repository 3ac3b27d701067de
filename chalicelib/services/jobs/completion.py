"""The end of an attempt: store its image and provenance, or say why it has to be repeated."""

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
from chalicelib.services.jobs.attempts import note_execution, note_unreported
from chalicelib.services.jobs.cleanup import Cleanup
from chalicelib.services.jobs.generated_mark import Readable, marked
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
    def __init__(self, storage: ImageStorage, cleanup: Cleanup, clock: Callable[[], float]) -> None:
        self._storage = storage
        self._cleanup = cleanup
        self._clock = clock

    def complete(self, job: Job, server: Server, end: Finished) -> str | None:
        """Store the image and end the job, or return why the attempt must be repeated at once.

        Raise AttemptOver if it must be repeated later, GenerationFailed if it must not be.
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
        """Stop an execution that makes no progress, the job's own or the one before it.

        Return the state of the job's attempt if another execution was in its way and was stopped;
        else raise AttemptOver. If ComfyUI does not stop it, mark the instance as unhealthy.
        """
        attempt_id = job.attempts[-1].id
        is_own = stop.attempt_id == attempt_id
        is_dropped = server.comfyui.drop(stop.attempt_id)
        if is_dropped and not is_own:
            return server.comfyui.find(attempt_id)
        if not is_dropped:
            log.error(
                "ComfyUI did not stop an execution; its instance is unhealthy",
                extra={"instance_id": server.instance.id},
            )
            server.record.mark_unhealthy_by(stop.attempt_id, now=self._clock())
        if is_own:
            self._note_stopped(job, server)
        reason = NO_PROGRESS if is_own else HELD_UP
        raise AttemptOver(reason, retry_seconds=_RETRY_SECONDS)

    def _note_stopped(self, job: Job, server: Server) -> None:
        end = server.comfyui.find(job.attempts[-1].id)
        if end and end.is_finished:
            note_execution(job, end)
        note_unreported(job, until=self._clock())

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
    """Stores images and their provenance in S3; safe to repeat, as it overwrites them."""

    def __init__(self, images: ImageStore, *, marks_generated: bool) -> None:
        self._images = images
        self._marks_generated = marks_generated
        self._software: dict[tuple[str, float | None], Software | None] = {}

    def store(
        self, job: Job, server: Server, end: Finished, files: Sequence[ImageFile]
    ) -> list[dict[str, Any]] | None:
        """Store the images of the job's last attempt; None if ComfyUI has lost one.

        Raise StoreFailed, ComfyUIUnreachable, or GenerationFailed if an image is too large.
        """
        software = self._software_of(server)
        stored = []
        for index, file in enumerate(files):
            name = f"images/{job.id}/{index}"
            key, provenance_key = f"{name}{PurePosixPath(file.filename).suffix}", f"{name}.json"
            image_id = f"{job.id}-{index}"
            content = self._copy(server.comfyui, file, key, image_id)
            if content is None:
                return None
            image = Made(image_id, index, content)
            self._write(provenance_key, provenance(job, end, software, image))
            stored.append({"id": image.id, "key": key, "provenance": provenance_key})
        return stored

    def _copy(self, comfyui: ComfyUI, file: ImageFile, key: str, image_id: str) -> Measured | None:
        with comfyui.image(file) as found:
            if found is None:
                return None
            content: Readable
            content, size = found
            if self._marks_generated:
                content, size = marked(content, size, image_id)
            measured = Measured(content)
            self._images.put(key, measured, size)
        return measured

    def _write(self, key: str, text: bytes) -> None:
        self._images.put(key, BytesIO(text), len(text))

    def _software_of(self, server: Server) -> Software | None:
        """Ask ComfyUI for its software once per boot; return None if it does not answer."""
        boot = (server.instance.id, server.record.ready_at)
        if boot not in self._software:
            try:
                self._software[boot] = server.comfyui.software()
            except ComfyUIUnreachable:
                return None
        return self._software[boot]

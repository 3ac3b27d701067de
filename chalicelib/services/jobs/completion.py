"""The end of an attempt: store its image and provenance, or say why it has to be repeated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NoReturn

from chalicelib.errors import ComfyUIUnreachable, GenerationFailed
from chalicelib.models.fleet import slots
from chalicelib.models.fleet.instance import InstanceRecord
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
from chalicelib.services.together import Together
from chalicelib.signals import AttemptOver, NoProgress
from chalicelib.workflows import load

if TYPE_CHECKING:
    from chalicelib.gateways.comfyui.errors import Failure
    from chalicelib.gateways.comfyui.state import Finished, ImageFile, Software, State
    from chalicelib.gateways.s3 import ImageStore

log = logging.getLogger("darkroom.completion")

_RETRY_SECONDS = 2

# Of an image. A function stores up to eight images at once, each of which is copied once.
_HELD_BYTES = 8 * 1024 * 1024


class Completion:
    def __init__(
        self,
        storage: ImageStorage,
        cleanup: Cleanup,
        together: Together,
        clock: Callable[[], float],
    ) -> None:
        self._storage = storage
        self._cleanup = cleanup
        self._together = together
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
        store = partial(self._storage.store, job, server, end, files)
        stored, record = self._together([store, partial(_fresh, server)])
        if stored is None:
            return IMAGE_GONE
        now, seconds = self._clock(), end.execution_seconds
        slots.succeed(job, stored, record, now=now, execution_seconds=seconds)
        job_metrics.ended(job)
        self._cleanup.succeeded(job)
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


def _fresh(server: Server) -> InstanceRecord:
    """Read an instance's record again, as its averages may have changed since the job began."""
    try:
        return InstanceRecord.read(server.instance.id)
    except Exception:
        log.warning("the record of an instance could not be read", exc_info=True)
        return server.record


class ImageStorage:
    """Stores images and their provenance in S3; safe to repeat, as it overwrites them."""

    def __init__(self, images: ImageStore, together: Together, *, marks_generated: bool) -> None:
        self._images = images
        self._together = together
        self._marks_generated = marks_generated
        self._software: dict[tuple[str, float | None], Software | None] = {}

    def store(
        self, job: Job, server: Server, end: Finished, files: Sequence[ImageFile]
    ) -> list[dict[str, Any]] | None:
        """Store the images of the job's last attempt; None if ComfyUI has lost one.

        Raise StoreFailed, ComfyUIUnreachable, or GenerationFailed if an image is too large.
        """
        stored = []
        for index, file in enumerate(files):
            with server.comfyui.image(file) as found:
                if found is None:
                    return None
                image_id, name = f"{job.id}-{index}", f"images/{job.id}/{index}"
                key = f"{name}{PurePosixPath(file.filename).suffix}"
                content, size = self._marked(*found, image_id)
                measured = Measured(content)
                made = Made(image_id, index, measured)
                write = partial(self._write_provenance, f"{name}.json", job, server, end, made)
                self._put(key, measured, size, write)
            stored.append({"id": image_id, "key": key, "provenance": f"{name}.json"})
        return stored

    def _marked(self, content: Readable, size: int, image_id: str) -> tuple[Readable, int]:
        return marked(content, size, image_id) if self._marks_generated else (content, size)

    def _put(
        self, key: str, content: Measured, size: int, write_provenance: Callable[[], None]
    ) -> None:
        """Store an image and its provenance, which has the hash of the image.

        They are stored at once if the image is small enough to be held in memory.
        """
        if size > _HELD_BYTES:
            self._images.put(key, content, size)
            write_provenance()
            return
        held = BytesIO(content.read())
        self._together([partial(self._images.put, key, held, size), write_provenance])

    def _write_provenance(
        self, key: str, job: Job, server: Server, end: Finished, image: Made
    ) -> None:
        text = provenance(job, end, self._software_of(server), image)
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

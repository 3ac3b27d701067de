"""Images and their provenance, from ComfyUI to the bucket: both are stored, or neither counts."""

from __future__ import annotations

from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from chalicelib.errors import ComfyUIUnreachable
from chalicelib.services.provenance import Made, Measured, provenance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.gateways.comfyui import ComfyUI
    from chalicelib.gateways.comfyui_state import Finished, ImageFile, Software
    from chalicelib.gateways.image_store import ImageStore
    from chalicelib.models.job import Job
    from chalicelib.services.server import Server


class Storing:
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

"""How an image was made, so that it can be made again."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from chalicelib.models.jobs.job import Job
from chalicelib.schemas.times import timestamp
from chalicelib.services.jobs.attempts import workflow_of
from chalicelib.services.jobs.generated_mark import Readable
from chalicelib.version import VERSION
from chalicelib.workflows import load

if TYPE_CHECKING:
    from chalicelib.gateways.comfyui.state import Finished, Software


class Measured:
    """Content that is counted and hashed as it is read."""

    def __init__(self, content: Readable) -> None:
        self._content = content
        self._hash = sha256()
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._content.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


class Made(Struct, frozen=True):
    """A stored image: its index among those of its job, its size and its hash."""

    id: str
    index: int
    content: Measured


def provenance(job: Job, end: Finished, software: Software | None, image: Made) -> bytes:
    """Return the provenance of an image of the job's last attempt as JSON; safe to repeat."""
    attempt = job.attempts[-1]
    known = structs.asdict(software) if software else {}
    document: dict[str, Any] = {
        "image_id": image.id,
        "sha256": image.content.sha256,
        "bytes": image.content.size,
        "created_at": timestamp(end.ended_at or attempt.started_at),
        "job_id": job.id,
        "attempt_id": attempt.id,
        "post_id": job.post_id,
        "schedule_id": job.schedule_id,
        "scheduled_at": job.scheduled_at,
        "owner": job.owner,
        "parameters": job.parameters,
        # The graph that ComfyUI executed: the template may have changed since.
        "workflow": end.graph or workflow_of(job),
        "output": {"node_id": load(job.workflow).output, "index": image.index},
        "made_with": {
            "darkroom": VERSION,
            "comfyui": known.get("comfyui"),
            "pytorch": known.get("pytorch"),
            "device": known.get("device"),
            "instance_type": attempt.instance_type,
        },
    }
    return json.dumps(document, indent=2).encode()

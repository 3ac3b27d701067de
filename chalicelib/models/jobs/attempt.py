"""Attempts, as a job records them."""

from typing import Any
from uuid import UUID, uuid5

from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.config import config

# Why an attempt is made: it is the first, or how the attempt before it ended.
FIRST = "first"
LOST = "lost"
NEVER_RAN = "never_ran"
HELD_UP = "held_up"
NO_PROGRESS = "no_progress"
INTERRUPTED = "interrupted"
IMAGE_GONE = "image_gone"
OUT_OF_MEMORY = "out_of_memory"
GPU_FAILED = "gpu_failed"
GPU_STOPPED = "gpu_stopped"

_SENTENCES = {
    FIRST: "first",
    LOST: "ComfyUI no longer knew the attempt",
    NEVER_RAN: "ComfyUI lost the attempt while it waited in its queue",
    HELD_UP: "ComfyUI stopped working before it started the attempt",
    NO_PROGRESS: f"there was no progress for {config.no_progress_seconds} seconds",
    INTERRUPTED: "the execution was interrupted in ComfyUI",
    IMAGE_GONE: "ComfyUI no longer had the image",
    OUT_OF_MEMORY: "the GPU ran out of memory, which was then freed",
    GPU_FAILED: "the GPU reported a fault",
    GPU_STOPPED: "the GPU was stopped by an administrator",
}


_NAMESPACE = UUID("0f3f8a8e-6c0d-4a55-9d0e-6f1b1a7c52d3")


class Attempt(MapAttribute[str, Any]):
    """One submission to ComfyUI, under an id that is stored before it is made.

    `reason` is the code of why it was made; `sentence_of` returns it for people.
    `execution_seconds` is how long it had a GPU, `cost` is in dollars; None is not known.
    """

    id = UnicodeAttribute()
    instance_id = UnicodeAttribute()
    instance_type = UnicodeAttribute(null=True)
    started_at = NumberAttribute()
    reason = UnicodeAttribute()
    execution_seconds = NumberAttribute(null=True)
    cost = NumberAttribute(null=True)


def attempt_id(job_id: str, number: int) -> str:
    """Return the id of a job's attempt, counted from 1, in the form that ComfyUI demands.

    It depends on its arguments alone, so that an attempt of a known job can be recognized.
    """
    return str(uuid5(_NAMESPACE, f"{job_id}-{number}"))


def sentence_of(reason: str) -> str:
    """Return a reason as a text for people; a code that is not known is returned as it is."""
    return _SENTENCES.get(reason, reason)

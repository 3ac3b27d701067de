"""One try at a job, as the job records it."""

from typing import Any

from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.config import config

# Why an attempt is made: because it is the first, or because of how the one before it ended.
FIRST = "first"
LOST = "lost"
NEVER_RAN = "never_ran"
HELD_UP = "held_up"
NO_PROGRESS = "no_progress"
INTERRUPTED = "interrupted"
IMAGE_GONE = "image_gone"
OUT_OF_MEMORY = "out_of_memory"
GPU_FAILED = "gpu_failed"

_SENTENCES = {
    FIRST: "first",
    LOST: "ComfyUI no longer knew it",
    NEVER_RAN: "ComfyUI forgot it while it waited in its queue",
    HELD_UP: "ComfyUI stood still before it came to it",
    NO_PROGRESS: f"no progress for {config.no_progress_seconds} seconds",
    INTERRUPTED: "the run was interrupted in ComfyUI",
    IMAGE_GONE: "its image had vanished from ComfyUI",
    OUT_OF_MEMORY: "the GPU ran out of memory, which was then freed",
    GPU_FAILED: "the GPU reported a fault",
}


class Attempt(MapAttribute[str, Any]):
    """One submission to ComfyUI, under an id that we chose and wrote down before.

    `reason` is the code of why it was made; `sentence_of` says it for people.
    `execution_seconds` is how long it had a GPU, if ComfyUI told; `cost` is in dollars, if known.
    """

    id = UnicodeAttribute()
    instance_id = UnicodeAttribute()
    instance_type = UnicodeAttribute(null=True)
    started_at = NumberAttribute()
    reason = UnicodeAttribute()
    execution_seconds = NumberAttribute(null=True)
    cost = NumberAttribute(null=True)


def sentence_of(reason: str) -> str:
    """Return what people read for the code of a reason.

    A code that this release does not know is returned as it is.
    """
    return _SENTENCES.get(reason, reason)

"""How often a job is tried: what counts as an attempt, and which failures are tried again."""

from chalicelib.errors import GenerationFailed
from chalicelib.models.jobs.attempt import (
    GPU_FAILED,
    HELD_UP,
    NEVER_RAN,
    OUT_OF_MEMORY,
    sentence_of,
)
from chalicelib.models.jobs.job import Job

MAX_ATTEMPTS = 3
# Those that never ran do not count, but a job that breaks ComfyUI as it starts might never count.
_MOST_SUBMISSIONS = 10

# An attempt of these reasons does not count: the one before it was never begun, and may well have
# been lost by the fault of another.
_UNCOUNTED = (NEVER_RAN, HELD_UP)

# Failures that may not come again once the GPU's memory is free, or ComfyUI started anew. Such
# a job is tried once more; the reason of that attempt tells that it was.
_RETRIED_ONCE = {"out_of_memory": OUT_OF_MEMORY, "gpu_failed": GPU_FAILED}


def check_attempts_left(job: Job, reason: str) -> None:
    """Raise GenerationFailed if a job may not have another attempt, made for this reason."""
    counted = [each for each in job.attempts if each.reason not in _UNCOUNTED]
    is_counted = len(counted) == MAX_ATTEMPTS and reason not in _UNCOUNTED
    if is_counted or len(job.attempts) == _MOST_SUBMISSIONS:
        why = sentence_of(reason)
        raise GenerationFailed(
            f"given up after {len(job.attempts)} attempts; the last ended because {why}",
            code="attempts_exhausted",
        )


def reason_to_retry(job: Job, failure_kind: str) -> str | None:
    """Return the reason of another attempt after a failure of this kind; None if there is none."""
    reason = _RETRIED_ONCE.get(failure_kind)
    return None if any(each.reason == reason for each in job.attempts) else reason

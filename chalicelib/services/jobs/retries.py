"""How often a job is tried: which attempts count, and which failures are retried."""

from chalicelib.errors import GenerationFailed
from chalicelib.models.jobs.attempt import (
    GPU_FAILED,
    GPU_STOPPED,
    HELD_UP,
    NEVER_RAN,
    OUT_OF_MEMORY,
    sentence_of,
)
from chalicelib.models.jobs.job import Job

MAX_ATTEMPTS = 3
# Bounds a job that crashes ComfyUI as it starts, whose attempts might never count.
MOST_SUBMISSIONS = 10

# An attempt for these reasons does not count: the one before it never ran, and another job may
# have caused its loss, or an administrator stopped it.
_UNCOUNTED = (NEVER_RAN, HELD_UP, GPU_STOPPED)

# Failures that may not recur once the GPU's memory is freed, or ComfyUI is restarted. Such a job
# is retried once; the reason of that attempt shows that it was.
_RETRIED_ONCE = {"out_of_memory": OUT_OF_MEMORY, "gpu_failed": GPU_FAILED}


def check_attempts_left(job: Job, reason: str) -> None:
    """Raise GenerationFailed if a job may not have another attempt for this reason."""
    counted = [each for each in job.attempts if each.reason not in _UNCOUNTED]
    is_counted = len(counted) == MAX_ATTEMPTS and reason not in _UNCOUNTED
    submissions = sum(each.reason != GPU_STOPPED for each in job.attempts)
    is_one_too_many = submissions >= MOST_SUBMISSIONS and reason != GPU_STOPPED
    if is_counted or is_one_too_many:
        why = sentence_of(reason)
        raise GenerationFailed(
            f"the job failed after {len(job.attempts)} attempts; the last one: {why}",
            code="attempts_exhausted",
        )


def reason_to_retry(job: Job, failure_kind: str) -> str | None:
    """Return the reason for another attempt after a failure of this kind; None to give up."""
    reason = _RETRIED_ONCE.get(failure_kind)
    return None if any(each.reason == reason for each in job.attempts) else reason

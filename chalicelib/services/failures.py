"""Why a job failed, as its caller reads it."""

from chalicelib.config import config
from chalicelib.errors import GenerationFailed, WorkflowRejected
from chalicelib.models.job import Job
from chalicelib.models.start_series import StartSeries
from chalicelib.schemas.catalogs import DEFAULTS
from chalicelib.services.starting import refusal_of
from chalicelib.workflows import Template

# What keeps a job from its end; at the deadline the code of its failure.
GPU_NOT_READY = "gpu_unavailable"
COMFYUI_UNREACHABLE = "comfyui_unreachable"
STORE_FAILED = "store_failed"
INTERNAL_ERROR = "internal_error"
_CODES = (GPU_NOT_READY, COMFYUI_UNREACHABLE, STORE_FAILED, INTERNAL_ERROR)


def rejected(refusal: WorkflowRejected, template: Template) -> GenerationFailed:
    """Name the parameter at fault in place of ComfyUI's node and input."""
    field = template.parameter_at(refusal.node_id, refusal.input_name)
    where = field or refusal.input_name
    return GenerationFailed(
        f"{where}: {refusal}" if where else str(refusal),
        code="workflow_rejected",
        suggestion=_remedy(field, refusal.suggestion),
        field=field,
    )


def _remedy(field: str | None, suggestion: str) -> str:
    setting = f"default_{field}"
    if setting not in DEFAULTS:
        return suggestion
    return f"Set {setting} in /api/images/settings. {suggestion}"


def deadline_exceeded(job: Job, *, now: float) -> GenerationFailed:
    """Say for how long a job was tried, and what it last waited for."""
    is_latest = job.deadline_at == job.created_at + config.job_deadline_seconds
    seconds = config.job_deadline_seconds if is_latest else config.run_deadline_seconds
    where = "" if is_latest else " on a GPU"
    # Who stands in the line does not look for a GPU; those before it do.
    refusal = refusal_of(StartSeries.read(now=now)) if job.waits_in_line else None
    last_seen = refusal or job.status_reason
    reason = f"; last seen: {last_seen}" if last_seen else ""
    waits_for = GPU_NOT_READY if refusal else job.waits_for
    code = waits_for if waits_for in _CODES else "deadline_exceeded"
    return GenerationFailed(f"not done within {seconds // 60} minutes{where}{reason}", code=code)


def described(failure: GenerationFailed) -> dict[str, str | None]:
    """Write a failure down as the job's `error`."""
    return {
        "code": failure.code,
        "message": str(failure),
        "suggestion": failure.suggestion,
        "field": failure.field,
    }

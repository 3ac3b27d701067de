"""Why a job failed, as its caller reads it."""

from chalicelib.config import config
from chalicelib.errors import GenerationFailed, WorkflowRejected
from chalicelib.models.job import Job
from chalicelib.schemas.catalogs import DEFAULTS
from chalicelib.workflows import Template


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


def deadline_exceeded(job: Job) -> GenerationFailed:
    """Say for how long a job was tried, and what it last waited for."""
    minutes = config.job_deadline_seconds // 60
    reason = f"; last seen: {job.status_reason}" if job.status_reason else ""
    return GenerationFailed(f"not done within {minutes} minutes{reason}", code="deadline_exceeded")


def described(failure: GenerationFailed) -> dict[str, str | None]:
    """Write a failure down as the job's `error`."""
    return {
        "code": failure.code,
        "message": str(failure),
        "suggestion": failure.suggestion,
        "field": failure.field,
    }

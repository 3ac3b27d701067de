"""Why a job failed, for its caller."""

from collections.abc import Callable

from chalicelib.config import config
from chalicelib.errors import GenerationFailed, JobExpired, WorkflowRejected
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.queue_snapshot import QueueSnapshot
from chalicelib.models.jobs.waits import COMFYUI_UNREACHABLE, INTERNAL_ERROR, STORE_FAILED
from chalicelib.schemas.catalogs import DEFAULTS
from chalicelib.services.gpus.starter import hold_of, refusal_of
from chalicelib.workflows import Template

# The code of a job that had no slot by the end of its wait.
EXPIRED = "expired"

# If a job that has a slot waits for one of these at its deadline, this is the code of its failure.
_CODES = (COMFYUI_UNREACHABLE, STORE_FAILED, INTERNAL_ERROR)


def rejected(refusal: WorkflowRejected, template: Template) -> GenerationFailed:
    """Return the failure, which names the parameter in place of ComfyUI's node and input."""
    field = template.parameter_at(refusal.node_id, refusal.input_name)
    where = field or refusal.input_name
    return GenerationFailed(
        f"{where}: {refusal}" if where else str(refusal),
        code="workflow_rejected",
        suggestion=_remedy(field, refusal.suggestion),
        field=field,
    )


def _remedy(field: str | None, suggestion: str) -> str:
    if field is None:  # no request and no setting changes this part of the workflow
        return "Report the job's id to the operator; the same request would fail again"
    setting = f"default_{field}"
    if setting not in DEFAULTS:
        return suggestion
    return f"With a key of an admin, set {setting} in /api/images/settings. {suggestion}"


class Refusal:
    """Why no instance is started, or else what the queue waits for; read once for many jobs."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: list[str | None] = []

    # Not a cached_property: that has one lock for all instances until Python 3.12.
    @property
    def text(self) -> str | None:
        if not self._known:
            now = self._clock()
            series = StartSeries.read(now=now)
            why = hold_of(series, now=now) or refusal_of(series)
            self._known = [why or QueueSnapshot.read().reason]
        return self._known[0]


def deadline_exceeded(job: Job, *, refusal: str | None = None) -> GenerationFailed:
    """Return the failure: how long the job waited for a GPU or had one, and its last status.

    `refusal` is why jobs without a slot have waited, if that is known.
    """
    if not job.has_slot:
        waited = _span(int(job.waits_until - job.created_at))
        last_seen = _last_seen(refusal or job.status_reason)
        return JobExpired(f"the job got no GPU within {waited}{last_seen}", code=EXPIRED)
    code = job.waits_for if job.waits_for in _CODES else "deadline_exceeded"
    span, last_seen = _span(config.execution_deadline_seconds), _last_seen(job.status_reason)
    return GenerationFailed(f"not finished within {span} on a GPU{last_seen}", code=code)


def _last_seen(reason: str | None) -> str:
    return f"; last status: {reason}" if reason else ""


def _span(seconds: int) -> str:
    """Return a time in the largest unit of which it is a multiple."""
    units = ((3600, "hour"), (60, "minute"), (1, "second"))
    count, name = next((seconds // size, name) for size, name in units if seconds % size == 0)
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def described(failure: GenerationFailed) -> dict[str, str | None]:
    """Return a failure as a job's `error`."""
    return {
        "code": failure.code,
        "message": str(failure),
        "suggestion": failure.suggestion,
        "field": failure.field,
    }

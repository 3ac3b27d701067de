"""The error contract: every error is `{"status", "message", "details"}` (spec, Error Handling)."""

from chalice import Response
from msgspec import UNSET, json

from chalicelib import errors
from chalicelib.schemas.answers.errors import Error, ErrorDetails
from chalicelib.schemas.answers.jobs import Job

STATUS_CODES: dict[type[errors.DarkroomError], int] = {
    errors.DarkroomError: 500,
    errors.InvalidRequest: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.BodyTooLarge: 413,
    errors.UnsupportedContentType: 415,
    errors.UnsupportedContentEncoding: 415,
    errors.IdempotencyConflict: 422,
    errors.TooManyRequests: 429,
    errors.BudgetExhausted: 429,
    errors.Unanswered: 503,
    errors.Overloaded: 503,
    errors.Conflict: 409,
    errors.JobFinished: 409,
    errors.JobCanceled: 409,
    errors.JobExpired: 503,
    errors.GenerationFailed: 500,
    errors.StartFailed: 500,
    errors.StartUnknown: 500,
    errors.StillStopping: 503,
    errors.StopFailed: 503,
    errors.Throttled: 503,
    errors.TypeRefused: 500,
    errors.NoCapacity: 503,
    errors.ComfyUIUnavailable: 503,
    errors.ComfyUIUnreachable: 503,
    errors.FleetUnreachable: 503,
    # Drivers catch these; one that gets here is a defect.
    errors.GpuNotReady: 500,
    errors.GpuHeld: 500,
    errors.WorkflowRejected: 500,
}

_RETRY_SECONDS = "10"


def internal() -> errors.DarkroomError:
    """Return the error for an unexpected failure; it reveals nothing about the cause."""
    return errors.DarkroomError("an unexpected error occurred")


def envelope(error: errors.DarkroomError) -> Error:
    """Return an error as the body of a response."""
    details = ErrorDetails(
        error=_clean(str(error)),
        suggestion=error.suggestion,
        field=UNSET if error.field is None else _clean(error.field),
        code=UNSET if error.code is None else error.code,
    )
    return Error(message=error.title, details=details)


def _clean(text: str) -> str:
    """Return a text that repeats what was sent, with ? for what is no character."""
    return text.encode(errors="replace").decode()


def conflict(error: errors.DarkroomError, job: Job) -> Response:
    """Return an error as a response that has the job in `details.job`."""
    answered = answer(error)
    answered.body.details.job = job
    return answered


def answer(error: errors.DarkroomError) -> Response:
    """Return an error as a response with its status and headers."""
    status = STATUS_CODES[type(error)]
    headers: dict[str, str | list[str]] = {}
    if isinstance(error, errors.MethodNotAllowed):
        headers["Allow"] = error.allowed
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.TooManyRequests):
        headers["Retry-After"] = str(error.retry_seconds)
    # A job that expired stays so: the same request would find it again.
    if status == 503 and not isinstance(error, errors.JobExpired):
        headers["Retry-After"] = _RETRY_SECONDS
    return Response(envelope(error), headers, status)


def encoded(response: Response) -> Response:
    """Return a response whose body is JSON, or the text that it was."""
    if not isinstance(response.body, str):
        response.body = json.encode(response.body).decode()
        response.headers["Content-Type"] = "application/json"
    return response

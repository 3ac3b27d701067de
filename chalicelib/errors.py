"""Errors that callers see; `api.errors` has the HTTP status of each."""


class DarkroomError(Exception):
    """Base class: `title` is the message of the response, the text says what happened."""

    title = "Internal server error"
    suggestion = "Try again; if it fails again, report the response's x-amzn-RequestId header"
    code: str | None = None  # stable, for programs

    def __init__(
        self, error: str, *, suggestion: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(error)
        self.suggestion = suggestion or self.suggestion
        self.field = field


class InvalidRequest(DarkroomError):
    """The request is invalid, however often it is sent."""

    title = "Invalid request data"
    suggestion = "Correct the request and send it again"


class Unauthenticated(DarkroomError):
    """The request has no valid API key."""

    title = "API key required"
    suggestion = "Send a valid key in the header Authorization: Bearer KEY"


class Forbidden(DarkroomError):
    """The key is valid, but does not allow this."""

    title = "Not allowed"
    suggestion = "Use an API key with this scope"


class TooManyRequests(DarkroomError):
    """A limit of the key is reached; retry after `retry_seconds`."""

    title = "Too many requests"
    suggestion = "Wait for as long as the Retry-After header says"

    def __init__(self, error: str, *, retry_seconds: int) -> None:
        super().__init__(error)
        self.retry_seconds = retry_seconds


class BudgetExhausted(TooManyRequests):
    """The daily budget of the deployment is used up; no instance is started until the next day."""

    title = "Daily budget used up"
    suggestion = "Send the request again after the time in the Retry-After header"
    code = "budget_exhausted"


class Unanswered(DarkroomError):
    """DynamoDB did not answer; it is unknown whether it has written."""

    title = "Service temporarily unavailable"
    suggestion = "Send the request again, with the same Idempotency-Key if it had one"


class Overloaded(DarkroomError):
    """Nothing was written: DynamoDB throttled, others changed the item, or no time was left."""

    title = "Service temporarily unavailable"
    suggestion = "Send the request again after the time in the Retry-After header"


class UnsupportedContentType(DarkroomError):
    """The body is not declared as JSON in UTF-8."""

    title = "Unsupported content type"
    suggestion = "Send the body as JSON with the header Content-Type: application/json"


class UnsupportedContentEncoding(DarkroomError):
    """The body is compressed."""

    title = "Unsupported content encoding"
    suggestion = "Send the body uncompressed, without the header Content-Encoding"


class BodyTooLarge(DarkroomError):
    """The body is over the limit for JSON."""

    title = "Request body too large"
    suggestion = "Send at most 256 KB"


class NotFound(DarkroomError):
    """Nothing has this id or path."""

    title = "Not found"
    suggestion = "Check the id and the path"

    def __init__(
        self, error: str, *, title: str | None = None, suggestion: str | None = None
    ) -> None:
        super().__init__(error, suggestion=suggestion)
        self.title = title or self.title


class MethodNotAllowed(DarkroomError):
    """The path exists, but not with this method."""

    title = "Method not allowed"

    def __init__(self, error: str, *, allowed: str) -> None:
        super().__init__(error, suggestion=f"Use one of: {allowed}")
        self.allowed = allowed


class IdempotencyConflict(DarkroomError):
    """An Idempotency-Key was used before, with another path or body."""

    title = "Idempotency-Key already used"
    suggestion = "Send the same request as before, or use a new key for a new request"


class Conflict(DarkroomError):
    """What is stored does not allow this now."""

    title = "Conflict"
    suggestion = "Read what is stored, and decide again"


class ComfyUIUnavailable(DarkroomError):
    """No ComfyUI can serve, and Darkroom cannot start one."""

    title = "ComfyUI not available"
    suggestion = "Try again later; if it fails again, report it to the operator"


class StartFailed(DarkroomError):
    """EC2 refused to start the GPU instance."""

    title = "ComfyUI could not be started"
    suggestion = "Try again in a few minutes; if it fails again, report it to the operator"


class StopFailed(DarkroomError):
    """EC2 refused to stop the GPU instance, or did not answer."""

    title = "ComfyUI could not be stopped"


class StillStopping(StartFailed):
    """The instance is stopping, and cannot be started before it has stopped."""

    suggestion = "Try again in a minute"


class StartUnknown(StartFailed):
    """EC2 did not answer a request to start an instance, and may have started it."""


class Throttled(StartFailed):
    """EC2 refused a request to start an instance because there were too many requests."""


class TypeRefused(StartFailed):
    """EC2 did not change an instance to the type that it should have."""


class NoCapacity(StartFailed):
    """EC2 has no GPU of this type in this zone, or the account's quota is used up.

    `until` is when EC2 is asked again, if that is known.
    """

    def __init__(self, error: str, *, until: float | None = None) -> None:
        super().__init__(error)
        self.until = until


class GenerationFailed(DarkroomError):
    """A job ended without an image, for a reason that `code` names."""

    title = "Image generation failed"
    suggestion = "Send the request again; if it fails again, report the job's id to the operator"

    def __init__(
        self,
        error: str,
        *,
        code: str,
        suggestion: str | None = None,
        field: str | None = None,
    ) -> None:
        super().__init__(error, suggestion=suggestion, field=field)
        self.code = code


class JobCanceled(GenerationFailed):
    """A job ended without an image because it was canceled."""

    title = "Job canceled"


class JobExpired(GenerationFailed):
    """A job ended without an image because it got no slot on a GPU in time."""

    title = "Job expired"
    suggestion = "Send the request again, with another Idempotency-Key if it had one"


class GpuNotReady(DarkroomError):
    """A GPU is starting, or its start is retried; look again after `retry_seconds`."""

    title = "GPU not ready"

    def __init__(self, error: str, *, retry_seconds: int) -> None:
        super().__init__(error)
        self.retry_seconds = retry_seconds


class GpuHeld(GpuNotReady):
    """An administrator has stopped the GPUs, and nothing starts until a time."""


class FleetUnreachable(GpuNotReady):
    """EC2 does not answer which instances there are."""

    title = "GPU instances not known"
    suggestion = "Try again in a few seconds"


class ComfyUIUnreachable(DarkroomError):
    """ComfyUI gave no complete answer; it is unknown whether it accepted the request."""

    title = "ComfyUI not available"
    suggestion = "Try again later; if it fails again, report it to the operator"


class WorkflowRejected(DarkroomError):
    """ComfyUI refused the workflow, at `node_id` and `input_name` if it names them."""

    title = "Image generation failed"
    suggestion = "Change the value that ComfyUI refuses; the same request would be refused again"

    def __init__(
        self,
        error: str,
        *,
        node_id: str | None = None,
        input_name: str | None = None,
        suggestion: str | None = None,
    ) -> None:
        super().__init__(error, suggestion=suggestion)
        self.node_id = node_id
        self.input_name = input_name


class JobFinished(DarkroomError):
    """The job is in a terminal status, which never changes."""

    title = "Job already finished"
    suggestion = "There is nothing to cancel"

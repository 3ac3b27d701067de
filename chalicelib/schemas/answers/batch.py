"""What `POST /api/images/jobs/batch` answers."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.schemas.answers.errors import Error
from chalicelib.schemas.answers.jobs import Job


class BatchResult(Struct, kw_only=True):
    """What `generate` would answer to one request of a batch: a job, or an error."""

    status: Annotated[int, Meta(description="The HTTP status of this request: 202 if accepted.")]
    job: Job | UnsetType = UNSET
    error: Error | UnsetType = UNSET
    retry_after_seconds: (
        Annotated[int, Meta(description="When to send a refused request again.", ge=0)] | UnsetType
    ) = UNSET


class BatchResults(Struct, kw_only=True):
    """One result for each request of a batch, in the same order."""

    results: list[BatchResult]

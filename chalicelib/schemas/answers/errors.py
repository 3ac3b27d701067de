"""The body of every error (spec: Error Response Example)."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.schemas.answers.jobs import Job


class ErrorDetails(Struct, kw_only=True):
    """What is wrong, and what to do."""

    error: Annotated[str, Meta(description="What happened, for people.")]
    suggestion: Annotated[str, Meta(description="What to do about it.")]
    field: Annotated[str, Meta(description="The field, parameter or header that is wrong.")] | (
        UnsetType
    ) = UNSET
    code: Annotated[str, Meta(description="A stable code of the error, for programs.")] | (
        UnsetType
    ) = UNSET
    job: Annotated[Job, Meta(description="The job that is in the way.")] | UnsetType = UNSET


class Error(Struct, kw_only=True):
    """The body of every error."""

    status: Literal["error"] = "error"
    message: Annotated[str, Meta(description="The kind of error, for people.")]
    details: ErrorDetails

"""Images as callers see them (spec: Image Generation)."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.schemas.answers.fields import ImageUrl, JobId, Time
from chalicelib.schemas.answers.jobs import JobError, Metadata


class Image(Struct, kw_only=True):
    """A new image."""

    status: Literal["success"] = "success"
    image_url: ImageUrl
    metadata: Metadata


class MissingImage(JobError, kw_only=True):
    """Why an image of a post is missing."""

    job_id: JobId


class Images(Struct, kw_only=True):
    """The new images of a post."""

    image_urls: list[ImageUrl]
    errors: (
        Annotated[
            list[MissingImage], Meta(description="One for each image that could not be made.")
        ]
        | UnsetType
    ) = UNSET


class PostImage(Struct, kw_only=True):
    """An image of a post."""

    id: Annotated[str, Meta(description="The image's id.")]
    image_url: ImageUrl
    job_id: JobId
    created_at: Time | None
    metadata: Metadata

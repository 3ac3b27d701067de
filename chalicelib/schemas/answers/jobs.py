"""Jobs as callers see them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from chalicelib.schemas.answers.fields import Dollars, ImageUrl, JobId, Seconds, Time, one_of

Seed = Annotated[
    int,
    Meta(description="A whole number from 0 to 2⁶⁴ - 1.", ge=0, examples=[42]),
    Meta(extra_json_schema={"maximum": 2**64 - 1}),
]


# More may come: clients that were generated before would refuse a code that is added to an enum.
CODES = (
    "workflow_rejected",
    "out_of_memory",
    "gpu_failed",
    "node_failed",
    "no_image",
    "attempts_exhausted",
    "expired",
    "comfyui_unreachable",
    "store_failed",
    "internal_error",
    "deadline_exceeded",
    "canceled",
)
_NAMED = ", ".join(f"`{each}`" for each in CODES)


class Metadata(Struct, kw_only=True):
    """The parameters that an image is made with (spec: Generate Image)."""

    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    cfg_scale: float
    seed: Seed


class Progress(Struct, kw_only=True):
    """How far an execution is."""

    value: Annotated[int | float, Meta(description="The steps that are done.")]
    max: Annotated[int | float, Meta(description="The steps that there are.")]
    node: Annotated[str | None, Meta(description="The class of the node that runs.")] = None


class Attempt(Struct, kw_only=True):
    """One submission to ComfyUI."""

    started_at: Time
    reason: Annotated[str, Meta(description="Why it was made, as a sentence.")]


class JobError(Struct, kw_only=True):
    """Why a job failed or was canceled."""

    code: Annotated[str, Meta(description=f"A stable code, for programs: {_NAMED}.")]
    message: Annotated[str, Meta(description="What happened, for people.")]
    suggestion: Annotated[str | None, Meta(description="What to do about it.")]
    field: Annotated[str | None, Meta(description="The field that is wrong.")]


class Job(Struct, kw_only=True):
    """A job, which makes one image."""

    id: JobId
    priority: Annotated[str, one_of("interactive", "batch")]
    status: Annotated[
        str,
        one_of("queued", "starting", "running", "succeeded", "failed", "canceled"),
        Meta(description="`starting` waits while no GPU serves. The last three are final."),
    ]
    status_reason: Annotated[str | None, Meta(description="Why the job waits, as a sentence.")]
    progress: Annotated[Progress | None, Meta(description="Null unless the job runs.")]
    queue_position: Annotated[
        int | None, Meta(description="How many images come before this one; 0 if it runs.")
    ]
    queue_position_is_minimum: Annotated[
        bool, Meta(description="Whether more images than `queue_position` come before this one.")
    ]
    estimated_wait_seconds: Annotated[
        int | None, Meta(description="About how long it is until the image begins.")
    ]
    created_at: Time
    expires_at: Annotated[Time, Meta(description="Until when the job may wait for a GPU.")]
    started_at: Time | None
    finished_at: Annotated[
        Time | None, Meta(description="Null until the job has ended: poll until it is set.")
    ]
    attempts: Annotated[list[Attempt], Meta(description="Each submission to ComfyUI.")]
    post_id: Annotated[str | None, Meta(description="The post that the image is for.")]
    schedule_id: Annotated[str | None, Meta(description="The schedule that made the job.")]
    scheduled_at: Annotated[
        str | None, Meta(description="The time of the run that made the job, in UTC.")
    ]
    seed: Seed
    metadata: Annotated[
        Metadata | None,
        Meta(description="The parameters used. Null only in a batch whose answer is too large."),
    ]
    image_urls: Annotated[
        list[ImageUrl], Meta(description="Links to the image; empty until there is one.")
    ]
    gpu_seconds: Annotated[Seconds, Meta(description="How long the job used a GPU.")]
    gpu_cost: Annotated[
        Dollars | None, Meta(description="What that costs; null if it is not known.")
    ]
    error: JobError | None


class PostJobs(Struct, kw_only=True):
    """The jobs of a post's images that are not ready."""

    jobs: list[Job]


class CanceledJobs(Struct, kw_only=True):
    """Which jobs were canceled."""

    status: Literal["success"] = "success"
    canceled: Annotated[list[JobId], Meta(description="The jobs that were open until now.")]
    more: Annotated[bool, Meta(description="Whether there are more: send the request again.")]

"""What the GPUs do, and what was done with them (spec: ComfyUI Integration)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from chalicelib.schemas.answers.fields import Count, Time, one_of

State = Annotated[
    str,
    one_of(
        "ready",
        "busy",
        "booting",
        "starting",
        "draining",
        "stopping",
        "stopped",
        "no_capacity",
        "unhealthy",
        "unavailable",
    ),
]


class ComfyUIStatus(Struct, kw_only=True):
    """The state of the instance that is closest to an image."""

    status: Annotated[State, Meta(description="For programs. `unavailable`: there is no instance.")]
    message: Annotated[str, Meta(description="The same, and why, for people.")]


class Started(Struct, kw_only=True):
    """An instance starts, or is on."""

    status: Literal["success"] = "success"
    message: str


class Stopped(Struct, kw_only=True):
    """The instances stop."""

    status: Literal["success"] = "success"
    message: Annotated[str, Meta(description="What happens now, for people.")]
    waiting_jobs: Annotated[Count, Meta(description="How many jobs are in the queue.")]
    held_until: Annotated[Time | None, Meta(description="Until when nothing starts.")]

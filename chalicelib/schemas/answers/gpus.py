"""The GPU instances, one by one."""

from typing import Annotated

from msgspec import Meta, Struct

from chalicelib.schemas.answers.comfyui import State
from chalicelib.schemas.answers.fields import Count, Dollars, JobId, Seconds, Time
from chalicelib.schemas.answers.usage import GpuSeconds


class BootStep(Struct, kw_only=True):
    """A step of a boot."""

    step: Annotated[str, Meta(description="Its name.", examples=["driver"])]
    seconds: Annotated[Seconds, Meta(description="How long it took.")]


class Boot(Struct, kw_only=True):
    """A boot that has ended."""

    started_at: Annotated[Time, Meta(description="When the instance was started.")]
    failed: Annotated[bool, Meta(description="Whether the instance did not become ready.")]
    steps: Annotated[
        list[BootStep], Meta(description="In their order. Empty if the instance reported none.")
    ]


class Instance(Struct, kw_only=True):
    """An instance with a GPU and ComfyUI."""

    id: Annotated[str, Meta(description="EC2's id.", examples=["i-0123456789abcdef0"])]
    instance_type: Annotated[
        str | None, Meta(description="EC2's type, null if unknown.", examples=["g6.xlarge"])
    ]
    zone: Annotated[str | None, Meta(description="The availability zone, null if unknown.")]
    state: Annotated[State, Meta(description="As in the status.")]
    since: Annotated[
        Time | None,
        Meta(description="Since when it has this state; null until the reconciler has seen it."),
    ]
    jobs: Annotated[list[JobId], Meta(description="The jobs that have a slot.")]
    started_at: Annotated[Time | None, Meta(description="When it was last started.")]
    on_since: Annotated[Time | None, Meta(description="Since when it is on; null if it is off.")]
    unhealthy_reason: Annotated[
        str | None, Meta(description="What is wrong with it, or why its last boot failed.")
    ]
    gpu_seconds: Annotated[
        GpuSeconds | None, Meta(description="What is booked for it on this day of UTC.")
    ]
    cost: Annotated[Dollars | None, Meta(description="What `gpu_seconds` cost.")]
    last_boot: Annotated[Boot | None, Meta(description="The last boot that was reported.")]
    stops_at: Annotated[
        Time | None,
        Meta(description="When it is stopped if no job comes; null if no time is foreseen."),
    ]
    stop_reason: Annotated[
        str | None, Meta(description="Why it is stopped then, or why no time is foreseen.")
    ]


class Hold(Struct, kw_only=True):
    """An administrator has stopped the GPUs."""

    until: Annotated[Time, Meta(description="Until when no instance is started.")]


class Today(Struct, kw_only=True):
    """What this day of UTC costs."""

    cost: Annotated[
        Dollars | None,
        Meta(description="What is booked for all instances. Null at a fixed address of ComfyUI."),
    ]
    budget: Annotated[Dollars | None, Meta(description="The daily budget, null without one.")]
    budget_ends_at: Annotated[
        Time | None,
        Meta(description="When the budget is used up; null if that is not foreseen for today."),
    ]


class InstanceList(Struct, kw_only=True):
    """All instances, and what holds for all of them."""

    instances: list[Instance]
    waiting_jobs: Annotated[Count, Meta(description="About how many jobs are in the queue.")]
    hold: Hold | None
    today: Today

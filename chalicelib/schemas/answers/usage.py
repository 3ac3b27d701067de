"""What the GPUs did and what it cost."""

from typing import Annotated

from msgspec import Meta, Struct, field

from chalicelib.schemas.answers.fields import Count, Dollars, Seconds, one_of

Day = Annotated[
    str,
    Meta(
        description="A day of UTC.",
        examples=["2026-11-30"],
        extra_json_schema={"format": "date"},
    ),
]


class GpuSeconds(Struct, kw_only=True):
    """What the GPUs did, in seconds."""

    booting: Seconds
    busy: Seconds
    idle: Seconds


class Sums(Struct, kw_only=True):
    """Images, and what they took."""

    images: Count
    gpu_seconds: GpuSeconds
    cost: Annotated[Dollars | None, Meta(description="Null at a fixed address of ComfyUI.")]
    cost_per_image: Annotated[Dollars | None, Meta(description="Null without images.")]


class Total(Sums, kw_only=True):
    """The sums of a period."""

    always_on_cost: Annotated[
        Dollars | None, Meta(description="The price of one instance that is never off.")
    ]


class Group(Struct, kw_only=True):
    """The sums of a day, a style or a post."""

    key: Annotated[
        str | int | None,
        Meta(description="The day, the style's id or the post's id; null for jobs without one."),
    ]
    images: Count
    gpu_seconds: GpuSeconds
    cost: Dollars | None
    cost_per_image: Dollars | None


class Usage(Struct, kw_only=True):
    """Images, GPU seconds and costs of a period."""

    first: Day = field(name="from")
    last: Day = field(name="to")
    group_by: Annotated[str, one_of("day", "style", "post")]
    total: Total
    groups: list[Group]

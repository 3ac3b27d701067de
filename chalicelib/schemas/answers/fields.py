"""The types of fields that several answers have."""

from typing import Annotated

from msgspec import Meta, Struct


def one_of(*values: str) -> Meta:
    """Return what the document says of a text that has one of these values."""
    return Meta(extra_json_schema={"enum": [*values]})


Time = Annotated[
    str,
    Meta(
        description="A time in UTC, to the millisecond.",
        examples=["2026-11-30T15:04:05.678Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
ImageUrl = Annotated[
    str,
    Meta(
        description="A signed link to the image. It is valid for an hour, for everyone who has it.",
        examples=[
            "https://images.s3.amazonaws.com/images/01KB8Z3V5M4Q6W8N2R7T9X1Y3Z/0.png?X-Amz-Signature=0a1b"
        ],
        extra_json_schema={"format": "uri"},
    ),
]
JobId = Annotated[
    str, Meta(description="The id of a job.", examples=["01KB8Z3V5M4Q6W8N2R7T9X1Y3Z"])
]
Dollars = Annotated[float, Meta(ge=0, description="US dollars.")]
Seconds = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]


class Success(Struct, kw_only=True):
    """The request was done."""

    status: Annotated[str, Meta(description="`success`")] = "success"

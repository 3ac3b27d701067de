"""The body of a request to stop the GPUs."""

from typing import Annotated

from msgspec import Meta, Struct

AtOnce = Annotated[bool, Meta(description="true or false")]
HoldSeconds = Annotated[
    int, Meta(ge=0, le=604_800, description="a whole number of seconds from 0 to 604800")
]


class StopRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/images/comfyui/stop`; no field is needed."""

    now: AtOnce = False
    for_seconds: HoldSeconds = 600

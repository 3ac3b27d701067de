"""Request bodies, and the parameters that an image is made with."""

from typing import Any, ClassVar

from msgspec import UNSET, Struct, UnsetType, structs

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.limits import (
    SEED_MAX,
    CfgScale,
    Count,
    ExpirySeconds,
    ItemId,
    JobIds,
    NegativePrompt,
    OpenStatus,
    Pixels,
    PostId,
    Priority,
    Prompt,
    Requests,
    Seed,
    Steps,
)
from chalicelib.schemas.parsing import describe


class GenerateRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/images/generate`; the server fills in fields that are left out."""

    prompt: Prompt
    negative_prompt: NegativePrompt | UnsetType = UNSET
    width: Pixels | UnsetType = UNSET
    height: Pixels | UnsetType = UNSET
    steps: Steps | UnsetType = UNSET
    cfg_scale: CfgScale | UnsetType = UNSET
    seed: Seed | UnsetType = UNSET
    style_id: ItemId | UnsetType = UNSET
    format_id: ItemId | UnsetType = UNSET
    expires_in_seconds: ExpirySeconds | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.seed is not UNSET and self.seed > SEED_MAX:
            raise InvalidRequest(f"seed must be {describe(Seed)}", field="seed")


class PostRequest(GenerateRequest, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/v1/posts/{post_id}/generate_images`: `count` images of one request."""

    count: Count = 1


class BatchRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/images/jobs/batch`; each request is validated on its own."""

    requests: Requests

    json_schema: ClassVar[dict[str, Any]] = {
        "properties": {"requests": {"items": {"$ref": "#/components/schemas/GenerateRequest"}}}
    }


class CancelRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/images/jobs/cancel`: exactly one field says which jobs."""

    status: OpenStatus | UnsetType = UNSET
    post_id: PostId | UnsetType = UNSET
    ids: JobIds | UnsetType = UNSET

    # Not `oneOf` alone, of which generated clients would have three types.
    json_schema: ClassVar[dict[str, Any]] = {
        "if": {
            "oneOf": [
                {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
                for name in ("status", "post_id", "ids")
            ]
        },
        "else": {"not": {}},
    }

    def __post_init__(self) -> None:
        if sum(each is not UNSET for each in structs.astuple(self)) != 1:
            raise InvalidRequest(
                "the body must have exactly one of: status, post_id, ids",
                suggestion="Send only the field that says which jobs to cancel",
            )


class Parameters(Struct, kw_only=True, frozen=True):
    """All that decides what an image looks like."""

    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    cfg_scale: float
    seed: int
    checkpoint: str
    sampler: str
    scheduler: str

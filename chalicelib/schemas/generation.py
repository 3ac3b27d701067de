"""What a caller may ask for, and what a job was finally made with."""

from msgspec import UNSET, Struct, UnsetType

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.limits import (
    SEED_MAX,
    CfgScale,
    Count,
    ItemId,
    NegativePrompt,
    Pixels,
    Prompt,
    Seed,
    Steps,
)
from chalicelib.schemas.parsing import describe


class GenerateRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/images/generate`; what is left out is composed on the server."""

    prompt: Prompt
    negative_prompt: NegativePrompt | UnsetType = UNSET
    width: Pixels | UnsetType = UNSET
    height: Pixels | UnsetType = UNSET
    steps: Steps | UnsetType = UNSET
    cfg_scale: CfgScale | UnsetType = UNSET
    seed: Seed | UnsetType = UNSET
    style_id: ItemId | UnsetType = UNSET
    format_id: ItemId | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.seed is not UNSET and not -1 <= self.seed <= SEED_MAX:
            raise InvalidRequest(f"seed must be {describe(Seed)}", field="seed")


class PostRequest(GenerateRequest, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/v1/posts/{post_id}/generate_images`: `count` images of one request."""

    count: Count = 1


class Parameters(Struct, kw_only=True, frozen=True):
    """Everything that decides what an image looks like, nothing left open."""

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

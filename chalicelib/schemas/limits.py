"""The types of single fields; each `description` completes "<field> must be …"."""

from typing import Annotated, Literal

from msgspec import Meta, Raw

from chalicelib.schemas.characters import INVISIBLE

SEED_MAX = 2**64 - 1

# At least one visible character, and no NUL, which breaks ComfyUI and S3 metadata.
# The parts do not overlap, so the time to match is linear in the length of the text.
# $ may stand before a last line break in Python; here a text matches to its end all the same.
WRITTEN = rf"^[{INVISIBLE}]*[^{INVISIBLE}\x00][^\x00]*$"
_NO_NUL = r"^[^\x00]*$"
# What the OpenAPI document says instead, in characters that people can read. It allows a text of
# zero-width characters alone, which is refused as blank.
WRITTEN_SHOWN = r"^[^\x00]*[^\s\x00-\x20\x7f-\xa0\xad][^\x00]*$"

Prompt = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=10_000,
        pattern=WRITTEN,
        description="a text of 1 to 10,000 characters, not blank and without NUL",
    ),
]
NegativePrompt = Annotated[
    str,
    Meta(
        max_length=10_000,
        pattern=_NO_NUL,
        description="a text of at most 10,000 characters without NUL",
    ),
]
Pixels = Annotated[
    int,
    Meta(
        ge=64,
        le=2048,
        multiple_of=8,
        description="a whole number from 64 to 2048 that is a multiple of 8",
    ),
]
Steps = Annotated[int, Meta(ge=1, le=150, description="a whole number from 1 to 150")]
CfgScale = Annotated[float, Meta(ge=0, le=30, description="a number from 0 to 30")]
# msgspec's bounds are limited to int64, so GenerateRequest checks the upper one itself.
Seed = Annotated[
    int,
    Meta(
        ge=-1,
        description=f"a whole number from 0 to {SEED_MAX}, or -1 for a random one",
        extra_json_schema={"maximum": SEED_MAX},
    ),
]
Count = Annotated[int, Meta(ge=1, le=8, description="a whole number from 1 to 8")]
WaitSeconds = Annotated[
    int, Meta(ge=0, le=450, description="a whole number of seconds from 0 to 450")
]
ExpirySeconds = Annotated[
    int, Meta(ge=60, le=604_800, description="a whole number of seconds from 60 to 604800")
]
PostId = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:~-]*\Z",
        description="1 to 128 letters, digits and _.:~-, a letter or digit first",
    ),
]
JobIds = Annotated[
    list[Annotated[str, Meta(max_length=40)]],
    Meta(min_length=1, max_length=100, description="a list of 1 to 100 job ids"),
]
OpenStatus = Annotated[
    Literal["queued", "starting", "running"],
    Meta(description="one of: queued, starting, running"),
]
Priority = Annotated[
    Literal["interactive", "batch"], Meta(description="the text interactive or batch")
]
Requests = Annotated[
    list[Raw],
    Meta(
        min_length=1,
        max_length=100,
        description="a list of 1 to 100 bodies of POST /api/images/generate",
    ),
]
ItemId = Annotated[
    int, Meta(ge=1, le=10**12, description="a whole number, the id of an existing item")
]
Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=WRITTEN,
        description="a text of 1 to 200 characters, not blank and without NUL",
    ),
]
Description = Annotated[
    str,
    Meta(
        max_length=2_000,
        pattern=_NO_NUL,
        description="a text of at most 2,000 characters without NUL",
    ),
]
Value = Annotated[
    str,
    Meta(
        max_length=10_000,
        pattern=_NO_NUL,
        description="a text of at most 10,000 characters without NUL",
    ),
]
Algorithm = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^[A-Za-z0-9_+.-]+\Z",
        description="a name of at most 64 letters, digits and _+.-, as ComfyUI lists it",
    ),
]
Checkpoint = Annotated[
    str,
    Meta(
        max_length=255,
        pattern=r"^(?!/)(?!.*\.\.)[^\x00-\x1f\\]+\Z",
        description="a file name of at most 255 characters below ComfyUI's models/checkpoints",
    ),
]

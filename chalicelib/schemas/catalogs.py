"""Bodies of the four catalogs (spec: Image Settings, Styles, Formats, Prompt Examples)."""

from typing import Any, ClassVar

from msgspec import Struct

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.limits import (
    Algorithm,
    CfgScale,
    Checkpoint,
    Description,
    Name,
    NegativePrompt,
    Pixels,
    Prompt,
    Steps,
    Value,
)
from chalicelib.schemas.names import nearest, standard_form
from chalicelib.schemas.parsing import convert

PREFIX = "default_"

# Settings with these names are defaults of every generation. A name that begins with default_,
# however it is written, is one of these; any other name is allowed.
DEFAULTS: dict[str, Any] = {
    "default_negative_prompt": NegativePrompt,
    "default_width": Pixels,
    "default_height": Pixels,
    "default_steps": Steps,
    "default_cfg_scale": CfgScale,
    "default_checkpoint": Checkpoint,
    "default_sampler": Algorithm,
    "default_scheduler": Algorithm,
}


class Setting(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name
    value: Value
    description: Description

    # Values of defaults are checked, too: docs/api/catalogs.md.
    json_schema: ClassVar[dict[str, Any]] = {
        "properties": {"name": {"if": {"pattern": "^default_"}, "then": {"enum": [*DEFAULTS]}}}
    }

    def __post_init__(self) -> None:
        if self.name in DEFAULTS:
            convert(self.value, DEFAULTS[self.name], "value")
        elif standard_form(self.name).startswith(PREFIX):
            raise _no_default(self.name)


class Style(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name
    description: Description
    prompt_template: Prompt


class Format(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name
    description: Description
    width: Pixels
    height: Pixels


class PromptExample(Struct, kw_only=True, forbid_unknown_fields=True):
    title: Name
    prompt: Prompt
    category: Name


def _no_default(name: str) -> InvalidRequest:
    known = [each.removeprefix(PREFIX) for each in DEFAULTS]
    meant = nearest(standard_form(name).removeprefix(PREFIX), known, likeness=0)
    return InvalidRequest(
        f"a name that begins with {PREFIX} must be a default; did you mean {PREFIX}{meant}?",
        field="name",
        suggestion=f"Use another name, or one of: {', '.join(DEFAULTS)}",
    )

"""Compose an image's parameters from a request, a style, a format and settings. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import UNSET, structs

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.catalogs import DEFAULTS
from chalicelib.schemas.generation import GenerateRequest, Parameters
from chalicelib.schemas.limits import SEED_MAX
from chalicelib.schemas.parsing import convert

PLACEHOLDER = "{prompt}"
PROMPT_LONGEST = 20_000

_BUILT_IN: dict[str, Any] = {
    "negative_prompt": "",
    "width": 512,
    "height": 512,
    "steps": 20,
    "cfg_scale": 7.0,
    "sampler": "euler",
    "scheduler": "normal",
}


def defaults_from(settings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings that are generation defaults, as `{parameter: value}`."""
    return {
        setting["name"].removeprefix("default_"): convert(
            setting["value"], DEFAULTS[setting["name"]], setting["name"]
        )
        for setting in settings
        if setting["name"] in DEFAULTS
    }


def compose(
    request: GenerateRequest,
    *,
    style: Mapping[str, Any] | None,
    size: Mapping[str, Any] | None,
    defaults: Mapping[str, Any],
    seed: int,
) -> Parameters:
    """Return an image's parameters.

    Explicit values win over the format, the format over `defaults`, those over built-in ones.
    """
    asked = {name: value for name, value in structs.asdict(request).items() if value is not UNSET}
    sizes = {name: size[name] for name in ("width", "height")} if size else {}
    known = {**_BUILT_IN, **defaults, **sizes, **asked, "seed": seed}
    known["prompt"] = _styled(request.prompt, style)
    return Parameters(**{name: known[name] for name in Parameters.__struct_fields__})


def _styled(prompt: str, style: Mapping[str, Any] | None) -> str:
    if style is None:
        return prompt
    template = style["prompt_template"]
    if PLACEHOLDER in template:
        styled = template.replace(PLACEHOLDER, prompt)
    else:
        styled = f"{template}, {prompt}"
    if len(styled) > PROMPT_LONGEST:
        raise InvalidRequest(
            f"prompt and style together have more than {PROMPT_LONGEST} characters", field="prompt"
        )
    return str(styled)


def seeds(asked: object, count: int, random_seed: int) -> list[int]:
    """Return `count` consecutive seeds, from the requested one or else from `random_seed`."""
    first = asked if isinstance(asked, int) and asked >= 0 else random_seed
    return [(first + index) % (SEED_MAX + 1) for index in range(count)]

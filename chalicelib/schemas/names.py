"""The name that a caller probably meant."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from unicodedata import normalize

from chalicelib.schemas.characters import INVISIBLE

_LONGEST = 200

_UNSEEN = re.compile(rf"(?!\s)[{INVISIBLE}]")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[\W_]+")

# How other front ends and APIs name what is ours.
_OTHERS = {
    "batch_size": "count",
    "cfg": "cfg_scale",
    "ckpt_name": "checkpoint",
    "expires": "expires_in_seconds",
    "guidance": "cfg_scale",
    "guidance_scale": "cfg_scale",
    "h": "height",
    "iterations": "steps",
    "model": "checkpoint",
    "model_name": "checkpoint",
    "n": "count",
    "n_iter": "count",
    "noise_seed": "seed",
    "num_images": "count",
    "num_inference_steps": "steps",
    "num_outputs": "count",
    "sample_steps": "steps",
    "sampling_steps": "steps",
    "text": "prompt",
    "ttl": "expires_in_seconds",
    "uc": "negative_prompt",
    "w": "width",
}


def standard_form(name: str) -> str:
    """Return a name in lower case with underscores between its words, however it is written."""
    words = _UNSEEN.sub("", normalize("NFKC", name[:_LONGEST])).strip()
    return _BETWEEN.sub("_", _CAPITAL.sub("_", words)).lower()


def nearest(name: str, known: Sequence[str], *, likeness: float = 0.6) -> str | None:
    """Return the known name that is most like a name; None if none has the likeness (0 to 1)."""
    form = standard_form(name)
    if (meant := _OTHERS.get(form)) in known:
        return meant
    return next(iter(get_close_matches(form, known, 1, likeness)), None)

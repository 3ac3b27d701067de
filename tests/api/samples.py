"""Two valid bodies for each of the four catalogs."""

from typing import Any, NamedTuple

import pytest

Body = dict[str, Any]


class Sample(NamedTuple):
    """A catalog's path, the noun in its errors, and two valid bodies."""

    path: str
    noun: str
    body: Body
    other: Body

    @property
    def texts(self) -> list[str]:
        """Return the names of the text fields."""
        return [name for name, value in self.body.items() if isinstance(value, str)]

    def numbered(self, number: int) -> Body:
        """Return a body that differs from those of other numbers."""
        label = next(iter(self.body))
        return {**self.body, label: f"{self.body[label]} {number}"}


SAMPLES = [
    Sample(
        "/api/images/settings",
        "Setting",
        {"name": "theme", "value": "dark", "description": "Colors of the gallery"},
        {"name": "watermark", "value": "", "description": ""},
    ),
    Sample(
        "/api/images/styles",
        "Style",
        {"name": "Fresco", "description": "On plaster", "prompt_template": "fresco of {prompt}"},
        {"name": "Mosaic", "description": "", "prompt_template": "mosaic, small tiles"},
    ),
    Sample(
        "/api/images/formats",
        "Format",
        {"name": "Stamp", "description": "Tiny", "width": 64, "height": 72},
        {"name": "Poster", "description": "", "width": 2048, "height": 1024},
    ),
    Sample(
        "/api/images/prompt_examples",
        "Example",
        {"title": "Heron", "prompt": "a grey heron in reeds", "category": "Birds"},
        {"title": "Comet", "prompt": "a comet above dunes", "category": "Sky"},
    ),
]

each_catalog = pytest.mark.parametrize(
    "sample", SAMPLES, ids=[sample.path.rpartition("/")[2] for sample in SAMPLES]
)

"""Two valid bodies for each of the four catalogs."""

from typing import Any, NamedTuple

import pytest

Body = dict[str, Any]


class Sample(NamedTuple):
    """A catalog by its address, and what may be put there."""

    path: str
    noun: str
    body: Body
    other: Body

    @property
    def texts(self) -> list[str]:
        """Name the fields that hold text."""
        return [name for name, value in self.body.items() if isinstance(value, str)]

    def numbered(self, number: int) -> Body:
        """Return a body unlike those of other numbers."""
        label = next(iter(self.body))
        return {**self.body, label: f"{self.body[label]} {number}"}


SAMPLES = [
    Sample(
        "/api/images/settings",
        "Setting",
        {"name": "theme", "value": "dark", "description": "Colours of the gallery"},
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

"""What infra/resources declares, in one piece: a file there holds one idea."""

from pathlib import Path
from typing import Any

import yaml

RESOURCES = Path(__file__).parent / "resources"

Template = dict[str, Any]


def declared() -> Template:
    """Return all files as one; raise ValueError when two declare the same."""
    whole: Template = {}
    for file in sorted(RESOURCES.glob("*.yaml")):
        for section, entries in yaml.safe_load(file.read_text()).items():
            known = whole.setdefault(section, {})
            if twice := known.keys() & entries.keys():
                raise ValueError(f"{file.name} declares again: {', '.join(sorted(twice))}")
            known.update(entries)
    return whole

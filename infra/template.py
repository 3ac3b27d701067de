"""Merge the files of infra/resources into one template."""

from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
RESOURCES = HERE / "resources"

Template = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML in which `!Text FILE` is the text of a file beside this one."""


_Loader.add_constructor("!Text", lambda _, node: (HERE / node.value).read_text())


def declared() -> Template:
    """Return the merged template; raise ValueError if two files declare the same name."""
    whole: Template = {}
    for file in sorted(RESOURCES.glob("*.yaml")):
        for section, entries in _Loader(file.read_text()).get_single_data().items():
            known = whole.setdefault(section, {})
            if twice := known.keys() & entries.keys():
                raise ValueError(
                    f"{file.name} declares names of other files: {', '.join(sorted(twice))}"
                )
            known.update(entries)
    return whole

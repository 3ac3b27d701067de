"""What infra/resources declares, in one piece: a file there holds one idea."""

from pathlib import Path
from typing import Any

import yaml

from infra.bundle import INSTANCE

RESOURCES = Path(__file__).parent / "resources"

Template = dict[str, Any]


def declared() -> Template:
    """Return all files as one; raise ValueError when two declare the same.

    Where a file says `Fn::Sub: user-data.sh`, the instance's script is put in.
    """
    whole: Template = {}
    for file in sorted(RESOURCES.glob("*.yaml")):
        for section, entries in yaml.safe_load(file.read_text()).items():
            known = whole.setdefault(section, {})
            if twice := known.keys() & entries.keys():
                raise ValueError(f"{file.name} declares again: {', '.join(sorted(twice))}")
            known.update(entries)
    user_data = whole["Resources"]["GpuTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]
    user_data["Fn::Base64"]["Fn::Sub"] = (INSTANCE / "user-data.sh").read_text()
    return whole

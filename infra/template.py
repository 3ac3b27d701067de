"""Merge the files of infra/resources into one template."""

from collections.abc import Mapping
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
    """Return the merged template; raise ValueError if two files declare the same value."""
    return merged({file.name: file.read_text() for file in sorted(RESOURCES.glob("*.yaml"))})


def merged(texts: Mapping[str, str]) -> Template:
    """Merge texts of YAML by their files: several may declare parts of one resource."""
    whole: Template = {}
    for file, text in texts.items():
        whole = _both(whole, _Loader(text).get_single_data(), file)
    return whole


def _both(known: Any, more: Any, at: str) -> Any:
    """Return a new value, as aliases of YAML share theirs."""
    try:
        twice = known.keys() & more.keys()
    except AttributeError:  # one of them is no mapping
        raise ValueError(f"{at} is declared in another file, too") from None
    merged = {name: _both(known[name], more[name], f"{at}: {name}") for name in twice}
    return {**known, **more, **merged}

"""The valid values of an input that is a list of choices."""

from typing import Any

_LONGEST_CHOICE = 300
_LONGEST_LIST = 900  # characters that are shown, so that they can be stored with a job


def choices_in(config: Any) -> list[Any]:
    """Return the choices of an input, which is declared in one of two forms."""
    match config:
        case [list() as listed, *_] | ["COMBO", {"options": list() as listed}, *_]:
            return listed
    return []


def choices_of(class_type: str, name: str, described: Any) -> list[Any]:
    """Return the choices of a class's input in an answer of GET /object_info/{class}."""
    inputs = described[class_type]["input"]
    for kind in ("required", "optional"):
        if name in inputs.get(kind, {}):
            return choices_in(inputs[kind][name])
    return []


def suggestion(choices: list[Any]) -> str | None:
    """Return a sentence with the choices that have room, and their number if they are more."""
    if not choices:
        return None
    shown: list[str] = []
    length = 0
    for choice in choices:
        text = str(choice)[:_LONGEST_CHOICE]
        length += len(text) + len(", ")
        if length > _LONGEST_LIST:
            return f"Choose one of: {', '.join(shown)}, … ({len(choices)} in all)"
        shown.append(text)
    return f"Choose one of: {', '.join(shown)}"

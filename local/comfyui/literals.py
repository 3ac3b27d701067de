"""Checks the inputs of a node that are values, not links."""

from collections.abc import Callable
from typing import Any

from local.comfyui.declarations import Input
from local.comfyui.problems import Problem, problem

CONVERSIONS: dict[str, Callable[[Any], object]] = {
    "INT": int,
    "FLOAT": float,
    "STRING": str,
    "BOOLEAN": bool,
}
LONGEST_LIST_SHOWN = 20


def convert(inputs: dict[str, Any], name: str, declared: Input) -> list[Problem]:
    """Convert an input to its declared type, in place; return a problem if that is impossible."""
    value, kind = inputs[name], declared[0]
    try:
        if isinstance(value, dict) and "__value__" in value:
            value = inputs[name] = value["__value__"]
        if isinstance(kind, str) and kind in CONVERSIONS:
            inputs[name] = CONVERSIONS[kind](value)
    except (TypeError, ValueError, OverflowError) as error:
        about = _about(name, declared, value) | {"exception_message": str(error)}
        return [problem("invalid_input_type", f"{name}, {value}, {error}", kind, **about)]
    return []


def check_limits(inputs: dict[str, Any], name: str, declared: Input) -> list[Problem]:
    """Return a problem if a converted value is too small, too big, or not among the choices."""
    value, (kind, limits) = inputs[name], declared
    about = _about(name, declared, value)
    if "min" in limits and value < limits["min"]:
        return [problem("value_smaller_than_min", name, value, limits["min"], **about)]
    if "max" in limits and value > limits["max"]:
        return [problem("value_bigger_than_max", name, value, limits["max"], **about)]
    if isinstance(kind, list) and value not in kind:
        shown = str(kind)
        if len(kind) > LONGEST_LIST_SHOWN:
            shown, about["input_config"] = f"(list of length {len(kind)})", None
        return [problem("value_not_in_list", f"{name}: {value!r} not in {shown}", **about)]
    return []


def _about(name: str, declared: Input, value: object) -> dict[str, object]:
    return {"input_name": name, "input_config": declared, "received_value": value}

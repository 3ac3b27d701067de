"""The errors of the protocol, with ComfyUI's messages."""

import traceback
from typing import Any

Problem = dict[str, Any]

MESSAGES = {
    "no_prompt": "No prompt provided",
    "invalid_prompt_id": "prompt_id must be a valid UUID",
    "missing_node_type": "Node '{}' not found. The custom node may not be installed.",
    "missing_class_type": (
        "Node '{}' has no class_type. The workflow may be corrupted or a custom node is missing."
    ),
    "dependency_cycle": "Dependency cycle detected",
    "prompt_no_outputs": "Prompt has no outputs",
    "prompt_outputs_failed_validation": "Prompt outputs failed validation",
    "required_input_missing": "Required input is missing",
    "bad_linked_input": "Bad linked input, must be a length-2 list of [node_id, slot_index]",
    "return_type_mismatch": "Return type mismatch between linked nodes",
    "invalid_input_type": "Failed to convert an input value to a {} value",
    "value_smaller_than_min": "Value {} smaller than min of {}",
    "value_bigger_than_max": "Value {} bigger than max of {}",
    "value_not_in_list": "Value not in list",
    "custom_validation_failed": "Custom validation failed for node",
    "exception_during_validation": "Exception when validating node",
    "exception_during_inner_validation": "Exception when validating inner node",
}


def problem(kind: str, details: str, *values: object, **extra_info: object) -> Problem:
    """Return an error object; `values` fill the placeholders of its message."""
    message = MESSAGES[kind].format(*values)
    return {"type": kind, "message": message, "details": details, "extra_info": extra_info}


def missing_node(node_id: str, node: dict[str, Any]) -> Problem:
    """Return the error of a node whose class does not exist, or that has none."""
    class_type = node.get("class_type")
    title = node.get("_meta", {}).get("title", class_type)
    kind = "missing_node_type" if "class_type" in node else "missing_class_type"
    about = {"node_id": node_id, "class_type": class_type, "node_title": title}
    found = problem(kind, f"Node ID '#{node_id}'", title or f"ID #{node_id}", **about)
    return found | {"type": "missing_node_type"}


def exception_info(error: Exception) -> dict[str, object]:
    """Return what ComfyUI's answers contain of an exception: its type and traceback."""
    return {
        "exception_type": type(error).__qualname__,
        "traceback": traceback.format_tb(error.__traceback__),
    }

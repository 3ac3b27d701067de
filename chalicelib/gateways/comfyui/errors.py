"""ComfyUI's errors as sentences, without its tracebacks and paths."""

import re
from typing import Any, Literal

from msgspec import Struct

from chalicelib.errors import WorkflowRejected

Json = dict[str, Any]

Kind = Literal["interrupted", "out_of_memory", "gpu_failed", "node_failed"]

_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][^\s\\/:'\"]+){2,}[\\/]?")
_LONGEST_CHOICE_LIST = 20
_LONGEST_TEXT = 300
_LONGEST_MESSAGE = 10_000  # the part of a message that is searched

# After these errors nothing works until the process is restarted (CUDA C++ Programming Guide,
# Error Checking: they are "sticky").
_GPU_FAULT = re.compile(
    r"\b(CUDA|HIP|cuDNN|CUBLAS|NCCL) ?((driver|unknown) )?(error|failure|_STATUS)", re.I
)


class Failure(Struct, frozen=True):
    """Why an execution ended without its image; `kind` is for programs, `error` for people."""

    kind: Kind
    error: str


def rejection(body: Any) -> WorkflowRejected:
    """Return the first error in a response of POST /prompt, and where it is (docs/comfyui.md)."""
    try:
        return _explained(body)
    except (ValueError, LookupError, TypeError, AttributeError):
        # The body is from another version of ComfyUI; it is a refusal in any case.
        return WorkflowRejected("ComfyUI refused the workflow")


def _explained(body: Json) -> WorkflowRejected:
    for node_id, node in dict(body.get("node_errors") or {}).items():
        for fault in node.get("errors", []):
            return _fault(node_id, str(node.get("class_type", "")), fault)
    error = body.get("error")
    if not isinstance(error, dict):
        error = {"message": error}
    words = [error.get("message"), error.get("details")]
    text = ": ".join(dict.fromkeys(_short(word) for word in words if word))
    return WorkflowRejected(f"ComfyUI refused the workflow: {_scrub(text) or 'no reason given'}")


def _fault(node_id: str, class_type: str, fault: Json) -> WorkflowRejected:
    extra = fault.get("extra_info") or {}
    name = extra.get("input_name")
    choices = _choices(extra)
    if fault.get("type") == "value_not_in_list":
        problem = f"ComfyUI does not have {_short(repr(extra.get('received_value')))}"
    else:
        message, details = _short(fault.get("message")), _scrub(_short(fault.get("details")))
        problem = f"{message} ({_short(class_type)}: {details})"
    return WorkflowRejected(
        problem,
        node_id=node_id,
        input_name=name,
        suggestion=f"Choose one of: {', '.join(choices)}" if choices else None,
    )


def _choices(extra: Json) -> list[str]:
    declared = extra.get("input_config") or [None]
    listed = declared[0] if isinstance(declared[0], list) else []
    return [_short(choice) for choice in listed[:_LONGEST_CHOICE_LIST]]


def failure(messages: list[tuple[str, Json]]) -> Failure:
    """Return why an execution failed, by the last message in its history (docs/comfyui.md)."""
    name, data = messages[-1] if messages else ("", {})
    if name == "execution_interrupted":
        return Failure("interrupted", "the execution was interrupted in ComfyUI")
    kind, text = _short(data.get("exception_type", "")), str(data.get("exception_message", ""))
    text = text[:_LONGEST_MESSAGE]
    if "OutOfMemory" in kind or "out of memory" in text.lower():
        return Failure("out_of_memory", "the GPU ran out of memory")
    if _GPU_FAULT.search(text):
        return Failure("gpu_failed", "the GPU reported a fault")
    first_line = _short(_scrub(text.strip().partition("\n")[0]))
    node = _short(data.get("node_type", "an unknown node"))
    return Failure("node_failed", f"{node} failed in ComfyUI: {first_line or kind}")


def _short(value: object) -> str:
    """Shorten a value so that it can be stored with its job."""
    return str(value)[:_LONGEST_TEXT]


def _scrub(text: str) -> str:
    return _PATH.sub("…", text)

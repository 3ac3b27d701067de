"""ComfyUI's errors as sentences, without its tracebacks and paths."""

import logging
import re
from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from chalicelib.errors import WorkflowRejected
from chalicelib.gateways.comfyui.choices import choices_in, suggestion

log = logging.getLogger("darkroom.comfyui")

Json = dict[str, Any]

# Returns the choices of a class's input; an empty list if they are not known.
LookUp = Callable[[str, str], list[Any]]

Kind = Literal["interrupted", "out_of_memory", "gpu_failed", "node_failed"]

_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][^\s\\/:'\"]+){2,}[\\/]?")
# The only places in which versions before 0.12.0 name a node and its class.
_NODE_ID = re.compile(r"^Node ID '#(.+)'$")
_NO_SUCH_CLASS = re.compile(r"because node (.+) does not exist")
_EXCEPTIONS = ("exception_during_validation", "exception_during_inner_validation")
_NOT_CHECKED = (
    "ComfyUI could not check the node, which may link to a node or an output that does not exist"
)
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


def rejection(body: Any, look_up: LookUp) -> WorkflowRejected:
    """Return the first error in a response of POST /prompt, and where it is (docs/comfyui.md).

    `look_up` is asked for a list of choices that ComfyUI has left out because it is long.
    """
    try:
        return _explained(body, look_up)
    except (ValueError, LookupError, TypeError, AttributeError):
        # The body is from another version of ComfyUI; it is a refusal in any case.
        return WorkflowRejected("ComfyUI refused the workflow")


def _explained(body: Json, look_up: LookUp) -> WorkflowRejected:
    faults = [
        (node_id, node, fault)
        for node_id, node in dict(body.get("node_errors") or {}).items()
        for fault in node.get("errors", [])
    ]
    if faults:
        node_id, node, fault = faults[0]
        return _fault(node_id, _short(node.get("class_type", "")), fault, look_up)
    error = body.get("error")
    if not isinstance(error, dict):
        error = {"message": error}
    return _missing_class(error) or _of_the_whole(error)


def _of_the_whole(error: Json) -> WorkflowRejected:
    if error.get("type") == "prompt_outputs_failed_validation":
        # Before 0.20.0 ComfyUI does not say what is wrong with a cycle.
        text = "no reason given; the links of its nodes may form a cycle"
    else:
        words = [error.get("message"), error.get("details")]
        text = _scrub(": ".join(dict.fromkeys(_short(word) for word in words if word)))
    return WorkflowRejected(f"ComfyUI refused the workflow: {text or 'no reason given'}")


def _missing_class(error: Json) -> WorkflowRejected | None:
    """Return the error of a node whose class ComfyUI does not have, in the form of any version."""
    if error.get("type") not in ("missing_node_type", "invalid_prompt"):
        return None
    extra = error.get("extra_info") or {}
    node_id = extra.get("node_id") or _found(_NODE_ID, error.get("details"))
    class_type = extra.get("class_type") or _found(_NO_SUCH_CLASS, error.get("message"))
    if class_type:
        text = f"ComfyUI does not have the node {_short(class_type)}"
        log.error("%s: install it there, or ship a workflow without it", text)
        return WorkflowRejected(text, node_id=node_id)
    if node_id:
        return WorkflowRejected(f"node {_short(node_id)} has no class_type", node_id=node_id)
    return None


def _fault(node_id: str, class_type: str, fault: Json, look_up: LookUp) -> WorkflowRejected:
    extra = fault.get("extra_info") or {}
    kind, details = str(fault.get("type")), _scrub(_short(fault.get("details")))
    name, problem = extra.get("input_name"), _short(fault.get("message"))
    choices = choices_in(extra.get("input_config"))
    if kind == "value_not_in_list":
        if extra.get("input_config") is None:
            choices = look_up(class_type, str(name))
        problem = f"ComfyUI does not have {_short(repr(extra.get('received_value')))}"
        details = _short(name)
    elif kind in _EXCEPTIONS:
        # The input that it names is that of the node which links to this one.
        name, problem = None, _NOT_CHECKED
        details = f"{_short(extra.get('exception_type'))} {details}"
    return WorkflowRejected(
        f"{problem} ({class_type}: {details})",
        node_id=node_id,
        input_name=name,
        suggestion=suggestion(choices),
    )


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


def _found(pattern: re.Pattern[str], text: object) -> str | None:
    found = pattern.search(str(text))
    return found[1] if found else None


def _short(value: object) -> str:
    """Shorten a value so that it can be stored with its job."""
    return str(value)[:_LONGEST_TEXT]


def _scrub(text: str) -> str:
    return _PATH.sub("…", text)

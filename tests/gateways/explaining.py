"""Explains refusals of a ComfyUI that does not describe its node classes."""

from typing import Any

from chalicelib.errors import WorkflowRejected
from chalicelib.gateways.comfyui.errors import rejection


def explained(body: Any) -> WorkflowRejected:
    return rejection(body, lambda _class_type, _name: [])

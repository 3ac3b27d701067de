"""The cache of node results: an unchanged part of a graph does not run again."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from local.comfyui.files import Folders
from local.comfyui.graph import Graph


def is_link(value: object) -> bool:
    """Return whether an input's value refers to the output of another node."""
    match value:
        case [str(), int() | float()]:
            return True
    return False


def signatures(graph: Graph) -> dict[str, str]:
    """Return for each node a digest of all that its result depends on."""
    known: dict[str, str] = {}
    for node_id in graph:
        _sign(graph, node_id, known)
    return known


def _sign(graph: Graph, node_id: str, known: dict[str, str]) -> str:
    if node_id not in graph:
        return "missing"
    if node_id not in known:
        # Nodes that will not run may form a cycle.
        known[node_id] = "cycle"
        node = graph[node_id]
        inputs = [
            [name, _sign(graph, value[0], known), value[1]] if is_link(value) else [name, value]
            for name, value in sorted(node["inputs"].items())
        ]
        text = json.dumps([node["class_type"], node.get("is_changed"), inputs])
        known[node_id] = hashlib.sha256(text.encode()).hexdigest()
    return known[node_id]


def mark_input_images(graph: Graph, folders: Folders) -> None:
    """Store the digest of each loaded file in its node, as ComfyUI does."""
    for node in graph.values():
        if node["class_type"] == "LoadImage" and "is_changed" not in node:
            try:
                content = folders.input_image(node["inputs"]["image"]).read_bytes()
                node["is_changed"] = [hashlib.sha256(content).hexdigest()]
            except OSError:
                node["is_changed"] = float("nan")


@dataclass
class Cache:
    """The results of the latest prompt's nodes; each new prompt drops those it does not share."""

    values: dict[str, Any] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def turn_to(self, graph: Graph) -> list[str]:
        """Drop all results that this graph does not share; return the nodes that need not run."""
        self.keys = signatures(graph)
        used = set(self.keys.values())
        self.values = {key: made for key, made in self.values.items() if key in used}
        self.shown = {key: output for key, output in self.shown.items() if key in used}
        return [node_id for node_id in graph if self.has(node_id)]

    def has(self, node_id: str) -> bool:
        """Return whether the result of a node is cached."""
        return self.keys[node_id] in self.values

    def value(self, node_id: str, slot: int) -> object:
        """Return the value of one output of a node that ran."""
        return self.values[self.keys[node_id]][slot]

    def store(self, node_id: str, values: tuple[object, ...]) -> None:
        """Store the output values of a node."""
        self.values[self.keys[node_id]] = values

    def show(self, node_id: str, output: dict[str, Any]) -> None:
        """Store the images that a node presents to the user."""
        self.shown[self.keys[node_id]] = output

    def output(self, node_id: str) -> dict[str, Any] | None:
        """Return what a node presented to the user, if anything."""
        return self.shown.get(self.keys[node_id])

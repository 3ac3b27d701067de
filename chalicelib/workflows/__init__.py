"""Workflow templates, which make a graph in ComfyUI's API format from parameters."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

Graph = dict[str, dict[str, Any]]

TEXT_TO_IMAGE = "text_to_image"
WARM_UP = "warm_up"

_PREFIX = "filename_prefix"  # the input by which a node that saves files names them


class Template(Struct, frozen=True):
    """A graph, the node input that each parameter sets, and the node whose images count."""

    graph: Graph
    inputs: Mapping[str, tuple[str, str]]
    output: str

    def render(self, parameters: Mapping[str, object], *, filename_prefix: str) -> Graph:
        """Return a new graph with every parameter in place; raise KeyError if one is missing.

        The prefix of each node that saves files begins with `filename_prefix`; no two are equal.
        """
        graph: Graph = json.loads(json.dumps(self.graph))
        for name, (node_id, input_name) in self.inputs.items():
            graph[node_id]["inputs"][input_name] = parameters[name]
        saving = [node["inputs"] for node in graph.values() if _PREFIX in node["inputs"]]
        for number, inputs in enumerate(saving, 1):
            # By number, because a node's id may hold characters that a file name must not have.
            inputs[_PREFIX] = f"{filename_prefix}-{number}"
        return graph

    def parameter_at(self, node_id: str | None, input_name: str | None) -> str | None:
        """Return the parameter that sets a node's input, as ComfyUI's errors name it, or None."""
        for name, target in self.inputs.items():
            if target == (node_id, input_name):
                return name
        return None


@cache
def load(name: str) -> Template:
    """Load a workflow by the name that jobs record: a JSON file in this folder."""
    document = json.loads(Path(__file__).with_name(f"{name}.json").read_text())
    inputs = {key: (target[0], target[1]) for key, target in document["inputs"].items()}
    return Template(document["graph"], inputs, document["output"])

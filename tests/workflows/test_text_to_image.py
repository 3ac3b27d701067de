"""The text-to-image graph: valid for any parameters, with the nodes of ComfyUI's default graph."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.schemas.generation import Parameters
from chalicelib.schemas.limits import SEED_MAX
from chalicelib.workflows import TEXT_TO_IMAGE, Graph, load

TEMPLATE = load(TEXT_TO_IMAGE)
# The types of the inputs that are links, and of the outputs, for each of ComfyUI's nodes.
NODES: dict[str, tuple[dict[str, str], list[str]]] = {
    "CheckpointLoaderSimple": ({}, ["MODEL", "CLIP", "VAE"]),
    "CLIPTextEncode": ({"clip": "CLIP"}, ["CONDITIONING"]),
    "EmptyLatentImage": ({}, ["LATENT"]),
    "KSampler": (
        {
            "model": "MODEL",
            "positive": "CONDITIONING",
            "negative": "CONDITIONING",
            "latent_image": "LATENT",
        },
        ["LATENT"],
    ),
    "VAEDecode": ({"samples": "LATENT", "vae": "VAE"}, ["IMAGE"]),
    "SaveImage": ({"images": "IMAGE"}, []),
}
# The sampler's input that links to the node of a parameter, and that node's input.
LINKED_INPUTS = {
    "prompt": ("positive", "text"),
    "negative_prompt": ("negative", "text"),
    "width": ("latent_image", "width"),
    "height": ("latent_image", "height"),
    "checkpoint": ("model", "ckpt_name"),
}
SAMPLER_INPUTS = {
    "seed": "seed",
    "steps": "steps",
    "cfg_scale": "cfg",
    "sampler": "sampler_name",
    "scheduler": "scheduler",
}

sizes = st.integers(8, 256).map(lambda eighth: eighth * 8)
parameters = st.fixed_dictionaries(
    {
        "prompt": st.text(min_size=1),
        "negative_prompt": st.text(),
        "width": sizes,
        "height": sizes,
        "steps": st.integers(1, 150),
        "cfg_scale": st.floats(0, 30),
        "seed": st.integers(0, SEED_MAX),
        "checkpoint": st.text(min_size=1),
        "sampler": st.sampled_from(["euler", "dpmpp_2m"]),
        "scheduler": st.sampled_from(["normal", "karras"]),
    }
)


def links(graph: Graph) -> dict[tuple[str, str], list[Any]]:
    """Return the inputs that are links: `[node id, output]`."""
    return {
        (node_id, name): value
        for node_id, node in graph.items()
        for name, value in node["inputs"].items()
        if isinstance(value, list)
    }


def only(graph: Graph, class_type: str) -> dict[str, Any]:
    """Return the inputs of the one node of a class."""
    [node] = [node for node in graph.values() if node["class_type"] == class_type]
    inputs: dict[str, Any] = node["inputs"]
    return inputs


def test_the_graph_has_the_nodes_of_comfyuis_default_graph() -> None:
    classes = sorted(node["class_type"] for node in TEMPLATE.graph.values())
    assert classes == sorted([*NODES, "CLIPTextEncode"])
    assert TEMPLATE.graph[TEMPLATE.output]["class_type"] == "SaveImage"


@given(values=parameters)
def test_every_link_leads_to_an_output_of_the_right_type(values: dict[str, Any]) -> None:
    graph = TEMPLATE.render(values, filename_prefix="a/b")
    found = links(graph)
    for (node_id, name), (source, output) in found.items():
        wanted = NODES[graph[node_id]["class_type"]][0][name]
        assert NODES[graph[source]["class_type"]][1][output] == wanted
    wanted_links = sum(len(NODES[node["class_type"]][0]) for node in graph.values())
    assert len(found) == wanted_links


@given(values=parameters)
def test_every_parameter_is_in_the_input_that_comfyui_reads(values: dict[str, Any]) -> None:
    graph = TEMPLATE.render(values, filename_prefix="a/b")
    sampler = only(graph, "KSampler")
    for name, (part, input_name) in LINKED_INPUTS.items():
        assert graph[sampler[part][0]]["inputs"][input_name] == values[name]
    for name, input_name in SAMPLER_INPUTS.items():
        assert sampler[input_name] == values[name]
    assert only(graph, "SaveImage")["filename_prefix"] == "a/b-1"
    assert only(graph, "EmptyLatentImage")["batch_size"] == 1
    assert sampler["denoise"] == 1.0


@given(values=parameters)
def test_rendering_does_not_change_the_template_or_earlier_graphs(values: dict[str, Any]) -> None:
    before = copy.deepcopy(TEMPLATE.graph)
    first = TEMPLATE.render(values, filename_prefix="a/b")
    kept = copy.deepcopy(first)
    second = TEMPLATE.render({**values, "prompt": "another", "seed": 1}, filename_prefix="c")
    second["3"]["inputs"].clear()
    second["4"]["_meta"]["title"] = "changed"
    assert first == kept
    assert TEMPLATE.graph == before


@given(values=parameters)
def test_a_graph_is_unchanged_by_json(values: dict[str, Any]) -> None:
    graph = TEMPLATE.render(values, filename_prefix="a/b")
    assert json.loads(json.dumps(graph)) == graph


def test_a_missing_parameter_is_an_error_that_names_it() -> None:
    complete = dict.fromkeys(TEMPLATE.inputs, "x")
    for name in TEMPLATE.inputs:
        partial = {key: value for key, value in complete.items() if key != name}
        with pytest.raises(KeyError, match=name):
            TEMPLATE.render(partial, filename_prefix="a")


def test_every_parameter_of_an_image_is_an_input_of_the_template() -> None:
    assert TEMPLATE.inputs.keys() == {*Parameters.__struct_fields__}


def test_parameter_at_returns_the_parameter_of_an_input() -> None:
    for name, (node_id, input_name) in TEMPLATE.inputs.items():
        assert TEMPLATE.parameter_at(node_id, input_name) == name


def test_parameter_at_returns_none_for_other_inputs() -> None:
    for node_id, input_name in (("3", "model"), ("3", None), (None, "seed"), (None, None)):
        assert TEMPLATE.parameter_at(node_id, input_name) is None
    assert TEMPLATE.parameter_at("99", "seed") is None

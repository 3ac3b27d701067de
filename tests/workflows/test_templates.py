"""What every shipped workflow has, and how the files that it saves are named."""

import re
from pathlib import Path

import pytest

import chalicelib.workflows
from chalicelib.workflows import TEXT_TO_IMAGE, WARM_UP, Graph, Template, load

SHIPPED = sorted(path.stem for path in Path(chalicelib.workflows.__path__[0]).glob("*.json"))


def saving(node_id: str) -> Graph:
    return {node_id: {"class_type": "SaveImage", "inputs": {"filename_prefix": "", "images": []}}}


def prefixes(graph: Graph) -> list[str]:
    template = Template(graph, {}, next(iter(graph)))
    rendered = template.render({}, filename_prefix="darkroom/job/attempt")
    return [node["inputs"]["filename_prefix"] for node in rendered.values()]


def test_all_workflows_are_found() -> None:
    assert {TEXT_TO_IMAGE, WARM_UP} <= {*SHIPPED}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_node_of_a_workflow_has_a_title(name: str) -> None:
    """From 0.14.0 ComfyUI answers 500 if it replaces the class of a node without `_meta`."""
    for node in load(name).graph.values():
        assert node["_meta"]["title"]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_output_of_a_workflow_is_one_of_its_nodes(name: str) -> None:
    assert load(name).output in load(name).graph


@pytest.mark.parametrize("name", SHIPPED)
def test_no_parameter_of_a_workflow_is_a_filename_prefix(name: str) -> None:
    assert "filename_prefix" not in {target for _, target in load(name).inputs.values()}


def test_every_node_that_saves_files_has_a_prefix_of_its_own() -> None:
    graph = saving("9") | saving("57:9") | saving("57-9") | saving("a:b:c")
    assert len({*prefixes(graph)}) == len(graph)


def test_a_prefix_is_safe_as_a_file_name_whatever_the_nodes_id() -> None:
    for prefix in prefixes(saving("57:27") | saving("../x") | saving("%width%")):
        assert re.fullmatch(r"darkroom/job/attempt-[0-9]+", prefix)

"""A graph that can never run is refused with the node, the input and the reason."""

from uuid import uuid4

import pytest

from chalicelib.errors import WorkflowRejected
from chalicelib.gateways.comfyui.client import ComfyUI, Graph
from tests.contracts.graphs import flat, picture
from tests.local.stand_in import CHECKPOINT

REFUSED_ID = str(uuid4())


def test_the_refusal_of_a_missing_checkpoint_names_those_that_exist(gateway: ComfyUI) -> None:
    with pytest.raises(WorkflowRejected) as refusal:
        gateway.submit(REFUSED_ID, picture("missing.safetensors"), ["9"])
    assert (refusal.value.node_id, refusal.value.input_name) == ("4", "ckpt_name")
    assert "missing.safetensors" in str(refusal.value)
    assert CHECKPOINT in str(refusal.value.suggestion)
    assert gateway.find(REFUSED_ID) is None


def without_outputs() -> Graph:
    return {"1": flat()["1"]}


def of_unknown_class() -> Graph:
    return flat() | {"1": {"class_type": "FluxCapacitor", "inputs": {}}}


def linked_to_nothing() -> Graph:
    return {"2": flat()["2"]}


REFUSED = [
    (without_outputs(), "no outputs"),
    (of_unknown_class(), "FluxCapacitor"),
    (flat(width=0), "width"),
    (flat(width="wide"), "width"),
    (linked_to_nothing(), "SaveImage"),
]


@pytest.mark.parametrize(("graph", "word"), REFUSED, ids=[word for _, word in REFUSED])
def test_a_refusal_has_the_reason_and_no_details_of_the_server(
    gateway: ComfyUI, graph: Graph, word: str
) -> None:
    with pytest.raises(WorkflowRejected) as refusal:
        gateway.submit(REFUSED_ID, graph, ["2"])
    text = f"{refusal.value} {refusal.value.suggestion}"
    assert word in text
    assert not [each for each in ("Traceback", ".py", "line ", "/") if each in text], text


def test_the_refusal_of_a_value_out_of_range_names_its_node_and_input(gateway: ComfyUI) -> None:
    with pytest.raises(WorkflowRejected) as refusal:
        gateway.submit(REFUSED_ID, picture(CHECKPOINT, steps=0), ["9"])
    assert (refusal.value.node_id, refusal.value.input_name) == ("3", "steps")
    assert "smaller than min of 1" in str(refusal.value)

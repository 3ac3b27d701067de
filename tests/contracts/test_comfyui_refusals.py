"""A server's responses to graphs that it refuses."""

from typing import Any

import pytest

from tests.contracts.graphs import flat, picture, save
from tests.contracts.protocol import ComfyUI

Case = tuple[str, str, object, str, str]

# Node, input, value, and the error that they lead to.
FAULTS: list[Case] = [
    ("3", "steps", 0, "value_smaller_than_min", "Value 0 smaller than min of 1"),
    ("3", "steps", 10001, "value_bigger_than_max", "Value 10001 bigger than max of 10000"),
    ("3", "cfg", -1, "value_smaller_than_min", "Value -1.0 smaller than min of 0.0"),
    ("3", "seed", 2**64, "value_bigger_than_max", f"Value {2**64} bigger than max of {2**64 - 1}"),
    ("3", "denoise", 1.5, "value_bigger_than_max", "Value 1.5 bigger than max of 1.0"),
    ("5", "width", 8, "value_smaller_than_min", "Value 8 smaller than min of 16"),
    ("5", "height", 16392, "value_bigger_than_max", "Value 16392 bigger than max of 16384"),
    ("3", "steps", "many", "invalid_input_type", "Failed to convert an input value to a INT value"),
    ("3", "cfg", None, "invalid_input_type", "Failed to convert an input value to a FLOAT value"),
    ("3", "scheduler", "nope", "value_not_in_list", "Value not in list"),
    ("3", "sampler_name", "nope", "value_not_in_list", "Value not in list"),
    (
        "3",
        "model",
        ["4"],
        "bad_linked_input",
        "Bad linked input, must be a length-2 list of [node_id, slot_index]",
    ),
    (
        "3",
        "model",
        ["4", 1],
        "return_type_mismatch",
        "Return type mismatch between linked nodes",
    ),
]


def only_error(refusal: dict[str, Any], node_id: str) -> dict[str, Any]:
    (error,) = refusal["node_errors"][node_id]["errors"]
    assert error.keys() == {"type", "message", "details", "extra_info"}
    return dict(error)


@pytest.mark.parametrize(("node_id", "name", "value", "kind", "message"), FAULTS)
def test_an_invalid_input_is_named(
    comfyui: ComfyUI, node_id: str, name: str, value: object, kind: str, message: str
) -> None:
    graph = picture(comfyui.checkpoint)
    graph[node_id]["inputs"][name] = value
    refusal = comfyui.refusal(graph)
    assert refusal["error"] == {
        "type": "prompt_outputs_failed_validation",
        "message": "Prompt outputs failed validation",
        "details": "",
        "extra_info": {},
    }
    assert refusal["node_errors"].keys() == {node_id}
    assert refusal["node_errors"][node_id]["dependent_outputs"] == ["9"]
    assert refusal["node_errors"][node_id]["class_type"] == graph[node_id]["class_type"]
    error = only_error(refusal, node_id)
    assert (error["type"], error["message"]) == (kind, message)
    assert error["details"].startswith(name)
    assert error["extra_info"]["input_name"] == name


def test_a_missing_input_is_named(comfyui: ComfyUI) -> None:
    graph = picture(comfyui.checkpoint)
    del graph["3"]["inputs"]["seed"]
    assert only_error(comfyui.refusal(graph), "3") == {
        "type": "required_input_missing",
        "message": "Required input is missing",
        "details": "seed",
        "extra_info": {"input_name": "seed"},
    }


def test_the_error_for_an_unknown_checkpoint_lists_the_known_ones(comfyui: ComfyUI) -> None:
    error = only_error(comfyui.refusal(picture("nope.safetensors")), "4")
    known = comfyui.get("/models/checkpoints").json()
    assert error["type"] == "value_not_in_list"
    assert error["details"] == f"ckpt_name: 'nope.safetensors' not in {known}"
    assert error["extra_info"]["input_config"][0] == known
    assert error["extra_info"]["received_value"] == "nope.safetensors"


def test_the_error_for_a_long_list_of_choices_has_only_its_length(comfyui: ComfyUI) -> None:
    graph = picture(comfyui.checkpoint)
    graph["3"]["inputs"]["sampler_name"] = "nope"
    error = only_error(comfyui.refusal(graph), "3")
    samplers = comfyui.get("/object_info/KSampler").json()["KSampler"]["input"]["required"]
    count = len(samplers["sampler_name"][0])
    assert error["details"] == f"sampler_name: 'nope' not in (list of length {count})"
    assert error["extra_info"]["input_config"] is None


def test_the_error_for_a_type_mismatch_names_the_linked_node(comfyui: ComfyUI) -> None:
    graph = picture(comfyui.checkpoint)
    graph["9"]["inputs"]["images"] = ["3", 0]
    refusal = comfyui.refusal(graph)
    error = only_error(refusal, "9")
    assert error["details"] == "images, received_type(LATENT) mismatch input_type(IMAGE)"
    assert error["extra_info"]["received_type"] == "LATENT"
    assert error["extra_info"]["linked_node"] == ["3", 0]
    assert refusal["error"]["details"] == f"{error['message']}: {error['details']}"


def test_one_invalid_node_names_every_output_that_depends_on_it(comfyui: ComfyUI) -> None:
    graph = flat(width=0)
    graph["3"] = save(["1", 0])
    refusal = comfyui.refusal(graph)
    assert set(refusal["node_errors"]["1"]["dependent_outputs"]) == {"2", "3"}


def test_an_outputs_link_to_a_missing_node_is_an_exception(comfyui: ComfyUI) -> None:
    graph = picture(comfyui.checkpoint)
    graph["9"]["inputs"]["images"] = ["99", 0]
    error = only_error(comfyui.refusal(graph), "9")
    assert error["type"] == "exception_during_validation"
    assert "traceback" in error["extra_info"]


def test_another_nodes_link_to_a_missing_node_is_an_inner_exception(comfyui: ComfyUI) -> None:
    graph = picture(comfyui.checkpoint)
    graph["8"]["inputs"]["samples"] = ["99", 0]
    error = only_error(comfyui.refusal(graph), "8")
    assert error["type"] == "exception_during_inner_validation"


def test_a_node_that_depends_on_itself_is_refused(comfyui: ComfyUI) -> None:
    graph = picture(comfyui.checkpoint)
    graph["3"]["inputs"]["latent_image"] = ["3", 0]
    refusal = comfyui.refusal(graph)
    assert refusal["error"]["type"] == "prompt_outputs_failed_validation"
    if not comfyui.is_at_least(0, 20):
        assert refusal["node_errors"] == {}
        return
    error = only_error(refusal, "3")
    assert error["type"] == "dependency_cycle"
    assert error["details"] == "3 (KSampler) -> 3 (KSampler)"
    assert error["extra_info"] == {"node_id": "3", "cycle_nodes": ["3"]}


def test_every_node_of_a_cycle_is_named(comfyui: ComfyUI) -> None:
    graph = {"1": save(["2", 0]), "2": save(["1", 0])}
    refusal = comfyui.refusal(graph)
    if not comfyui.is_at_least(0, 33):  # where no node uses a saved image
        return
    for node_id in ("1", "2"):
        error = only_error(refusal, node_id)
        assert error["type"] == "dependency_cycle"
        assert set(error["extra_info"]["cycle_nodes"]) == {"1", "2"}


def test_a_missing_input_image_fails_the_validation_of_its_node(comfyui: ComfyUI) -> None:
    graph = {"1": {"class_type": "LoadImage", "inputs": {"image": "missing.png"}}}
    graph["2"] = save(["1", 0])
    error = only_error(comfyui.refusal(graph), "1")
    assert error["type"] == "custom_validation_failed"
    assert error["details"] == "image - Invalid image file: missing.png"


def test_an_input_image_outside_its_folder_is_refused(comfyui: ComfyUI) -> None:
    """Before version 0.28.0 it is loaded if it exists (CVE-2026-56673)."""
    if not comfyui.is_at_least(0, 28):
        return
    graph = {"1": {"class_type": "LoadImage", "inputs": {"image": "../output/../../x.png"}}}
    graph["2"] = save(["1", 0])
    assert only_error(comfyui.refusal(graph), "1")["type"] == "custom_validation_failed"
    name = comfyui.run(flat()).images[0]["filename"]
    graph["1"]["inputs"]["image"] = f"../output/{name}"
    assert only_error(comfyui.refusal(graph), "1")["type"] == "custom_validation_failed"


@pytest.mark.parametrize("title", [None, "Keep it"])
def test_an_unknown_class_is_named(comfyui: ComfyUI, title: str | None) -> None:
    graph = flat()
    graph["2"] |= {"class_type": "NoSuchNode"} | ({"_meta": {"title": title}} if title else {})
    error = comfyui.refusal(graph)["error"]
    assert error["details"] == "Node ID '#2'"
    if not comfyui.is_at_least(0, 12):
        assert (error["type"], error["extra_info"]) == ("invalid_prompt", {})
        assert error["message"] == "Cannot execute because node NoSuchNode does not exist."
        return
    about = {"node_id": "2", "class_type": "NoSuchNode", "node_title": title or "NoSuchNode"}
    assert (error["type"], error["extra_info"]) == ("missing_node_type", about)


def test_a_node_without_a_class_is_refused(comfyui: ComfyUI) -> None:
    error = comfyui.refusal({"1": {"inputs": {}}})["error"]
    assert error["details"] == "Node ID '#1'"
    if not comfyui.is_at_least(0, 12):
        assert (error["type"], error["extra_info"]) == ("invalid_prompt", {})
        return
    about = {"node_id": "1", "class_type": None, "node_title": None}
    assert (error["type"], error["extra_info"]) == ("missing_node_type", about)


@pytest.mark.parametrize(
    ("graph", "kind"), [([], "prompt_no_outputs"), ({"1": "EmptyImage"}, "invalid_prompt")]
)
def test_a_graph_of_the_wrong_type_is_never_accepted(
    comfyui: ComfyUI, graph: object, kind: str
) -> None:
    if comfyui.is_at_least(0, 14):
        assert comfyui.post("/prompt", {"prompt": graph}).status_code == 500
    else:
        assert comfyui.refusal(graph)["error"]["type"] == kind


@pytest.mark.parametrize("graph", [{}, {"1": flat()["1"]}])
def test_a_graph_without_outputs_is_refused(comfyui: ComfyUI, graph: object) -> None:
    assert comfyui.refusal(graph) == {
        "error": {
            "type": "prompt_no_outputs",
            "message": "Prompt has no outputs",
            "details": "",
            "extra_info": {},
        },
        "node_errors": {},
    }


@pytest.mark.parametrize("targets", [[], ["99"], ["1"]])
def test_targets_that_are_not_outputs_are_refused(comfyui: ComfyUI, targets: list[str]) -> None:
    refusal = comfyui.refusal(flat(), partial_execution_targets=targets)
    assert refusal["error"]["type"] == "prompt_no_outputs"

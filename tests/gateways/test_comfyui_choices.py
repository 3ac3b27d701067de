"""Choices that ComfyUI leaves out of a refusal because they are many: the gateway asks for them."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from chalicelib.errors import WorkflowRejected
from chalicelib.gateways.comfyui.client import ComfyUI
from local.comfyui.background import serve
from local.comfyui.choices import SAMPLERS
from tests.contracts.graphs import flat, picture
from tests.gateways.faulty import Answer, Script, serving
from tests.gateways.following import connect
from tests.local.stand_in import CHECKPOINT

MANY = [f"sd15/model-{number:03}.safetensors" for number in range(500)]
FORMS = {
    "a list": [MANY, {"tooltip": "The name of the checkpoint."}],
    "a list alone": [MANY],
    "COMBO": ["COMBO", {"multiselect": False, "options": MANY}],
}
ODD: dict[str, Any] = {
    "no such class": {},
    "no such input": {"Loader": {"input": {"required": {}}}},
    "choices from elsewhere": {"Loader": {"input": {"required": {"name": ["COMBO", {}]}}}},
    "no inputs": {"Loader": {}},
    "a list": [],
    "nothing": None,
}


def refusal(gateway: ComfyUI, graph: Any) -> WorkflowRejected:
    with pytest.raises(WorkflowRejected) as raised:
        gateway.submit("job-1", graph, ["2"])
    return raised.value


def refused_by(described: Answer, *, shown: object = None) -> tuple[WorkflowRejected, Script]:
    """Return the refusal of a server that lacks a model and describes its classes like this."""
    extra = {"input_name": "name", "input_config": shown, "received_value": "x"}
    fault = {"type": "value_not_in_list", "details": "", "extra_info": extra}
    body = {"error": {}, "node_errors": {"1": {"class_type": "Loader", "errors": [fault]}}}

    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response(body, status=400)

    script = Script(answers={"prompt": refuse, "object_info": described})
    with serving(script) as url:
        return refusal(connect(url), flat()), script


def describing(described: object) -> Answer:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(described)

    return answer


def test_the_refusal_of_an_unknown_sampler_lists_all_of_them(gateway: ComfyUI) -> None:
    graph = picture(CHECKPOINT)
    graph["3"]["inputs"]["sampler_name"] = "nope"
    with pytest.raises(WorkflowRejected) as raised:
        gateway.submit("0f3f8a8e-6c0d-4a55-9d0e-6f1b1a7c52d3", graph, ["9"])
    assert raised.value.suggestion == f"Choose one of: {', '.join(SAMPLERS)}"
    assert "'nope'" in str(raised.value)


def test_many_checkpoints_are_listed_as_far_as_there_is_room(tmp_path: Path) -> None:
    with serve(tmp_path, *MANY) as url, pytest.raises(WorkflowRejected) as raised:
        connect(url).submit("0f3f8a8e-6c0d-4a55-9d0e-6f1b1a7c52d3", picture("nope"), ["9"])
    suggestion = str(raised.value.suggestion)
    assert suggestion.startswith(f"Choose one of: {MANY[0]}, {MANY[1]}, ")
    assert suggestion.endswith(", … (500 in all)")
    assert len(suggestion) < 1100


@pytest.mark.parametrize("kind", ["required", "optional"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_choices_are_found_in_each_form_of_an_input(form: object, kind: str) -> None:
    inputs = {"required": {"other": ["INT", {}]}, "hidden": {}}
    inputs[kind] = {**inputs.get(kind, {}), "name": form}
    found, script = refused_by(describing({"Loader": {"input": inputs}}))
    assert MANY[0] in found.suggestion
    assert [each.path for each in script.requests][1:] == ["/object_info/Loader"]


@pytest.mark.parametrize("described", ODD.values(), ids=ODD)
def test_a_description_without_the_choices_leaves_the_refusal_as_it_is(described: object) -> None:
    found, _ = refused_by(describing(described))
    assert str(found) == "ComfyUI does not have 'x' (Loader: name)"
    assert (found.node_id, found.input_name) == ("1", "name")
    assert found.suggestion == WorkflowRejected.suggestion


@pytest.mark.parametrize("status", [404, 500])
def test_a_comfyui_that_does_not_describe_its_classes_still_refuses(status: int) -> None:
    async def fail(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    found, _ = refused_by(fail)
    assert str(found) == "ComfyUI does not have 'x' (Loader: name)"
    assert found.suggestion == WorkflowRejected.suggestion


def test_a_comfyui_that_dies_after_its_refusal_has_still_refused() -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    found, _ = refused_by(hang_up)
    assert str(found) == "ComfyUI does not have 'x' (Loader: name)"


def test_choices_that_comfyui_lists_are_not_asked_for() -> None:
    found, script = refused_by(describing({}), shown=[["a", "b"], {}])
    assert found.suggestion == "Choose one of: a, b"
    assert script.count("/object_info") == 0


def test_an_empty_list_of_choices_is_not_asked_for() -> None:
    found, script = refused_by(describing({}), shown=[[], {}])
    assert found.suggestion == WorkflowRejected.suggestion
    assert script.count("/object_info") == 0

"""What the gateway makes of refusals that real servers of two versions sent."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from chalicelib.errors import WorkflowRejected
from tests.contracts.graphs import flat
from tests.gateways.explaining import explained
from tests.gateways.faulty import Script, serving
from tests.gateways.following import connect

RECORDED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("refusals.json").read_text())

# For each case: the message, the node and the input.
WORKFLOW = "ComfyUI refused the workflow: "
LINK = "ComfyUI could not check the node, which may link to a node or an output that does not exist"
EXPECTED: dict[str, tuple[str, str | None, str | None]] = {
    "missing_class": ("ComfyUI does not have the node FluxCapacitor", "8", None),
    "missing_class_without_title": ("ComfyUI does not have the node FluxCapacitor", "8", None),
    "no_class_type": ("node 8 has no class_type", "8", None),
    "checkpoint": (
        "ComfyUI does not have 'nope.safetensors' (CheckpointLoaderSimple: ckpt_name)",
        "4",
        "ckpt_name",
    ),
    "sampler": ("ComfyUI does not have 'nope' (KSampler: sampler_name)", "3", "sampler_name"),
    "v3_combo": (
        "ComfyUI does not have 'sharp' (ImageScaleToTotalPixels: upscale_method)",
        "10",
        "upscale_method",
    ),
    "too_small": ("Value 0 smaller than min of 1 (KSampler: steps)", "3", "steps"),
    "not_a_number": (
        "Failed to convert an input value to a INT value (KSampler: steps, many, "
        "invalid literal for int() with base 10: 'many')",
        "3",
        "steps",
    ),
    "required_input": ("Required input is missing (EmptyLatentImage: width)", "5", "width"),
    "wrong_link": (
        "Return type mismatch between linked nodes "
        "(SaveImage: images, received_type(LATENT) mismatch input_type(IMAGE))",
        "9",
        "images",
    ),
    "missing_link": (f"{LINK} (SaveImage: KeyError '99')", "9", None),
    "missing_inner_link": (f"{LINK} (VAEDecode: KeyError '99')", "8", None),
    "prompt_id": (
        f"{WORKFLOW}prompt_id must be a valid UUID: prompt_id must be a UUID string in canonical "
        "lowercase hyphenated form; omit it to let the server generate one",
        None,
        None,
    ),
    "no_outputs": (f"{WORKFLOW}Prompt has no outputs", None, None),
    "half": ("Required input is missing (SaveImage: images)", "9", "images"),
    "load_image": (
        "Custom validation failed for node (LoadImage: image - Invalid image file: missing.png)",
        "1",
        "image",
    ),
}
CYCLE = {
    "0.33.0": ("Dependency cycle detected (KSampler: 3 (KSampler) -> 3 (KSampler))", "3", None),
    "0.3.64": (f"{WORKFLOW}no reason given; the links of its nodes may form a cycle", None, None),
}
CHOICES = {
    "checkpoint": "Choose one of: v1-5-pruned-emaonly-fp16.safetensors",
    "v3_combo": "Choose one of: nearest-exact, bilinear, area, bicubic, lanczos",
}
WITH_CHOICES = [each for each in RECORDED if each["case"] in CHOICES]


def named(sample: dict[str, Any]) -> str:
    return f"{sample['case']} {sample['version']}"


@pytest.mark.parametrize("sample", RECORDED, ids=named)
def test_a_recorded_refusal_names_the_node_and_the_reason(sample: dict[str, Any]) -> None:
    refusal = explained(sample["body"])
    expected = EXPECTED.get(sample["case"]) or CYCLE[sample["version"]]
    assert (str(refusal), refusal.node_id, refusal.input_name) == expected


@pytest.mark.parametrize("sample", RECORDED, ids=named)
def test_a_recorded_refusal_shows_no_path_of_the_server(sample: dict[str, Any]) -> None:
    refusal = explained(sample["body"])
    text = f"{refusal} {refusal.suggestion}"
    assert not [each for each in ("/", "\\", "Traceback", ".py") if each in text], text


@pytest.mark.parametrize(
    "sample", [each for each in RECORDED if each["case"] in CHOICES], ids=named
)
def test_choices_are_listed_whatever_the_form_of_the_input(sample: dict[str, Any]) -> None:
    assert explained(sample["body"]).suggestion == CHOICES[sample["case"]]


def test_a_long_list_of_choices_that_comfyui_leaves_out_is_not_listed() -> None:
    samples = [each for each in RECORDED if each["case"] == "sampler"]
    assert all("Choose" not in explained(each["body"]).suggestion for each in samples)


@pytest.mark.parametrize("sample", RECORDED, ids=named)
def test_a_recorded_refusal_is_raised_by_a_submission(sample: dict[str, Any]) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(sample["body"], status=sample["status"])

    script = Script(answers={"prompt": answer})
    with serving(script) as url, pytest.raises(WorkflowRejected) as raised:
        connect(url).submit("job-1", flat(), ["2"])
    assert str(raised.value) == str(explained(sample["body"]))


ODD: dict[str, Any] = {
    "an empty body": {},
    "a class that is not text": {"error": {"type": "missing_node_type", "extra_info": [1]}},
    "no class and no node": {"error": {"type": "invalid_prompt", "message": "no", "details": ""}},
    "a list of errors": {"node_errors": [1]},
    "an error without a type": {"node_errors": {"1": {"errors": [{}]}}},
    "choices that are no list": {
        "node_errors": {"1": {"errors": [{"extra_info": {"input_config": ["COMBO", {}]}}]}}
    },
    "numbers as choices": {
        "node_errors": {
            "1": {"errors": [{"extra_info": {"input_config": ["COMBO", {"options": [1, 2.5]}]}}]}
        }
    },
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_a_refusal_in_an_unknown_form_is_still_a_refusal(body: Any) -> None:
    assert str(explained(body))

"""A server's description of itself, its routes, and the origins that it accepts."""

import pytest
import requests

from local.comfyui.choices import SAMPLERS, SCHEDULERS
from tests.contracts.graphs import picture
from tests.contracts.protocol import ComfyUI


def test_a_server_describes_its_machine(comfyui: ComfyUI) -> None:
    stats = comfyui.get("/system_stats").json()
    assert stats["system"]["comfyui_version"]
    device = stats["devices"][0]
    assert {"name", "type", "index", "vram_total", "vram_free"} <= device.keys()


def test_checkpoints_are_a_list_of_names(comfyui: ComfyUI) -> None:
    assert "checkpoints" in comfyui.get("/models").json()
    assert comfyui.checkpoint in comfyui.get("/models/checkpoints").json()
    assert comfyui.get("/models/nonsense").status_code == 404
    assert isinstance(comfyui.get("/embeddings").json(), list)


def test_every_class_is_described(comfyui: ComfyUI) -> None:
    described = comfyui.get("/object_info").json()
    for node in picture(comfyui.checkpoint).values():
        required = described[node["class_type"]]["input"]["required"]
        assert required.keys() == node["inputs"].keys()


def test_a_class_lists_its_choices_and_limits(comfyui: ComfyUI) -> None:
    required = comfyui.get("/object_info/KSampler").json()["KSampler"]["input"]["required"]
    newer = set() if comfyui.is_at_least(0, 33) else {"exp_heun_2_x0", "exp_heun_2_x0_sde"}
    assert required["sampler_name"][0] == [name for name in SAMPLERS if name not in newer]
    assert required["scheduler"][0] == SCHEDULERS
    assert required["seed"][0] == "INT"
    assert (required["seed"][1]["min"], required["seed"][1]["max"]) == (0, 2**64 - 1)


@pytest.mark.parametrize(
    "name",
    [
        "CheckpointLoaderSimple",
        "CLIPTextEncode",
        "EmptyImage",
        "EmptyLatentImage",
        "KSampler",
        "LoadImage",
        "PreviewImage",
        "SaveImage",
        "VAEDecode",
    ],
)
def test_a_single_class_can_be_described(comfyui: ComfyUI, name: str) -> None:
    described = comfyui.get(f"/object_info/{name}").json()[name]
    assert described["name"] == name
    assert described["input_order"]["required"] == list(described["input"]["required"])
    assert len(described["output"]) == len(described["output_name"])
    assert described["output_node"] == (name in ("SaveImage", "PreviewImage"))


def test_an_unknown_class_has_an_empty_description(comfyui: ComfyUI) -> None:
    answer = comfyui.get("/object_info/NoSuchNode")
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize("path", ["/queue", "/prompt", "/system_stats", "/features"])
def test_every_route_is_also_served_under_api(comfyui: ComfyUI, path: str) -> None:
    assert comfyui.get(f"/api{path}").json().keys() == comfyui.get(path).json().keys()


def test_an_unknown_path_is_not_found(comfyui: ComfyUI) -> None:
    assert comfyui.get("/nonsense").status_code == 404


def test_a_wrong_method_is_not_allowed(comfyui: ComfyUI) -> None:
    answer = requests.put(f"{comfyui.url}/prompt", timeout=10)
    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(","))


def test_an_options_request_has_an_empty_response(comfyui: ComfyUI) -> None:
    answer = requests.options(f"{comfyui.url}/prompt", timeout=10)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:1", "https://127.0.0.1:1"]
)
def test_a_page_of_another_origin_is_refused(comfyui: ComfyUI, origin: str) -> None:
    answer = comfyui.get("/queue", headers={"Origin": origin})
    assert (answer.status_code, answer.content) == (403, b"")


@pytest.mark.parametrize("origin", ["http://127.0.0.1", "null"])
def test_an_origin_without_a_port_and_a_null_origin_are_accepted(
    comfyui: ComfyUI, origin: str
) -> None:
    assert comfyui.get("/queue", headers={"Origin": origin}).status_code == 200


def test_no_origin_and_the_servers_own_origin_are_accepted(comfyui: ComfyUI) -> None:
    assert comfyui.get("/queue").status_code == 200
    assert comfyui.get("/queue", headers={"Origin": comfyui.url}).status_code == 200

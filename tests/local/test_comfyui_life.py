"""How the stand-in breaks, ends and restarts; not tested on a real ComfyUI."""

import signal
from pathlib import Path

import pytest
import requests
import websocket

from tests.contracts.graphs import Graph, flat
from tests.contracts.protocol import ComfyUI
from tests.local.stand_in import process, sampling, server

LETHAL: list[Graph] = [
    flat() | {"3": {"class_type": "EmptyImage"}},
    flat() | {"3": {"class_type": "SaveImage"}},
    flat(unheard_of=["99", 0]),
]


@pytest.mark.parametrize("graph", LETHAL, ids=["unused", "dropped", "dangling"])
def test_a_prompt_that_kills_the_worker_does_not_end_the_server(
    comfyui: ComfyUI, graph: Graph
) -> None:
    with comfyui.listener() as listener:
        killer = comfyui.submit(graph)
        for _ in ("queued", "taken"):
            listener.until("status", status={"exec_info": {"queue_remaining": 1}})
        waiting = comfyui.submit(flat(), client_id=listener.client_id)
        listener.until("status", status={"exec_info": {"queue_remaining": 2}})
    queue = comfyui.get("/queue").json()
    assert [item[1] for item in queue["queue_running"]] == [killer]
    assert [item[1] for item in queue["queue_pending"]] == [waiting]
    assert comfyui.get("/system_stats").status_code == 200


def test_extra_data_that_is_null_is_a_server_error(comfyui: ComfyUI) -> None:
    """Older versions accept it, and their worker dies."""
    body = {"prompt": flat(), "extra_data": None}
    assert comfyui.post("/prompt", body).status_code == 500
    assert comfyui.run(flat()).entry["status"]["status_str"] == "success"


def test_a_client_id_that_is_a_list_ends_the_server(comfyui: ComfyUI) -> None:
    with comfyui.listener() as listener:
        comfyui.submit(flat(), client_id=[])
        with pytest.raises((OSError, ValueError, websocket.WebSocketException)):
            listener.until("a message that never comes")
    with pytest.raises(requests.ConnectionError):
        comfyui.get("/system_stats")


def test_a_client_id_that_is_a_list_ends_the_process(tmp_path: Path) -> None:
    with process(tmp_path) as (comfyui, started):
        comfyui.submit(flat(), client_id=[])
        assert started.wait(timeout=10) != 0


def test_a_process_that_is_terminated_ends_at_once(tmp_path: Path) -> None:
    with process(tmp_path) as (comfyui, started), comfyui.listener() as listener:
        sampling(comfyui, listener)
        started.send_signal(signal.SIGTERM)
        assert started.wait(timeout=1) == -signal.SIGTERM


def test_a_restart_forgets_prompts_and_keeps_files(tmp_path: Path) -> None:
    with server(tmp_path) as before:
        run = before.run(flat())
        with before.listener() as listener:
            interrupted = sampling(before, listener)
            pending = before.submit(flat())
    with server(tmp_path) as after:
        for prompt_id in (run.prompt_id, interrupted, pending):
            assert after.get(f"/history/{prompt_id}").json() == {}
        assert after.get("/queue").json() == {"queue_running": [], "queue_pending": []}
        assert after.view(run.images[0]).status_code == 200
        assert after.post("/prompt", {"prompt": flat()}).json()["number"] == 0


def test_a_restart_empties_the_temporary_folder(tmp_path: Path) -> None:
    graph = flat()
    graph["2"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    with server(tmp_path) as before:
        (image,) = before.run(graph).images
    with server(tmp_path) as after:
        assert after.view(image).status_code == 404

"""What affects all clients of a server, and is therefore not tested on a real ComfyUI."""

from pathlib import Path
from uuid import uuid4

import pytest
import websocket

from local.comfyui.background import serve
from tests.contracts.graphs import flat, picture
from tests.contracts.protocol import ComfyUI, Run
from tests.local.stand_in import CHECKPOINT, sampling, server


@pytest.mark.parametrize("content", [b"", b"{}", b"not json"])
def test_an_interrupt_without_an_id_stops_whatever_runs(comfyui: ComfyUI, content: bytes) -> None:
    with comfyui.listener() as listener:
        prompt_id = sampling(comfyui, listener)
        assert comfyui.post_raw("/interrupt", content).status_code == 200
        listener.until_end(prompt_id)
    assert comfyui.entry(prompt_id)["status"]["messages"][-1][0] == "execution_interrupted"


def test_an_interrupt_while_nothing_runs_does_not_stop_the_next_prompt(comfyui: ComfyUI) -> None:
    comfyui.post("/interrupt", {})
    assert comfyui.run(flat()).entry["status"]["status_str"] == "success"


def test_a_cleared_queue_is_empty(comfyui: ComfyUI) -> None:
    with comfyui.listener() as listener:
        running = sampling(comfyui, listener)
        comfyui.submit(flat())
        comfyui.submit(flat())
        comfyui.post("/queue", {"clear": True})
        queue = comfyui.get("/queue").json()
    assert [item[1] for item in queue["queue_running"]] == [running]
    assert queue["queue_pending"] == []


def test_a_cleared_history_is_empty(comfyui: ComfyUI) -> None:
    comfyui.run(flat())
    comfyui.post("/history", {"clear": True})
    assert comfyui.get("/history").json() == {}


def test_a_prompt_with_the_id_and_number_of_another_is_an_error_and_yet_queued(
    comfyui: ComfyUI,
) -> None:
    prompt_id = f"{uuid4()}"
    bodies = [{"prompt": flat(), "prompt_id": prompt_id, "number": 7} for _ in range(2)]
    with comfyui.listener() as listener:
        sampling(comfyui, listener)
        statuses = [comfyui.post("/prompt", body).status_code for body in bodies]
        pending = comfyui.get("/queue").json()["queue_pending"]
    assert statuses == [200, 500]
    assert [item[1] for item in pending] == [prompt_id, prompt_id]


def test_closing_the_old_socket_of_a_client_silences_its_new_one(comfyui: ComfyUI) -> None:
    with comfyui.listener("twice") as old, comfyui.listener("twice") as new:
        old.socket.close()
        run = comfyui.run(flat())
        assert comfyui.submit(flat(), client_id="twice")
        comfyui.run(flat())
        new.socket.settimeout(0.05)
        with pytest.raises(websocket.WebSocketTimeoutException):
            new.until("executing")
    assert run.entry["status"]["completed"]


def test_a_prompt_without_a_client_sends_its_progress_to_all(comfyui: ComfyUI) -> None:
    with comfyui.listener() as listener:
        anonymous = comfyui.submit(picture(CHECKPOINT))
        listener.until_end(comfyui.submit(flat(), client_id=listener.client_id))
    heard = {message.type for message in listener.about(anonymous)}
    assert heard == {"progress_state", "progress"}


def test_an_image_whose_file_was_deleted_is_not_generated_again(
    comfyui: ComfyUI, tmp_path: Path
) -> None:
    graph = flat()
    image = comfyui.run(graph).images[0]
    (tmp_path / "output" / image["filename"]).unlink()
    again = comfyui.run(graph)
    assert again.images == [image]
    assert comfyui.view(image).status_code == 404


def test_a_checkpoint_takes_its_loading_time_once(tmp_path: Path) -> None:
    with server(tmp_path, step_seconds=0, load_seconds=0.2) as comfyui:
        first, second = (comfyui.run(picture(CHECKPOINT)) for _ in range(2))
        comfyui.run(flat())
        third = comfyui.run(picture(CHECKPOINT))
    assert duration_ms(first) >= 200
    assert duration_ms(second) < 200
    assert duration_ms(third) < 200


def duration_ms(run: Run) -> int:
    messages = run.status_messages
    started, ended = messages["execution_start"], messages["execution_success"]
    return int(ended["timestamp"] - started["timestamp"])


def test_every_change_of_the_queue_is_sent_as_a_status(comfyui: ComfyUI) -> None:
    with comfyui.listener() as listener:
        listener.until_end(comfyui.submit(flat(), client_id=listener.client_id))
    statuses = [message.data["status"] for message in listener.heard if message.type == "status"]
    assert [each["exec_info"]["queue_remaining"] for each in statuses] == [0, 1, 1, 0]


def test_checkpoints_in_the_models_folder_are_offered_too(comfyui: ComfyUI, tmp_path: Path) -> None:
    (tmp_path / "models" / "checkpoints" / "found.safetensors").touch()
    assert comfyui.get("/models/checkpoints").json() == ["found.safetensors", CHECKPOINT]
    found = comfyui.run(picture("found.safetensors"))
    assert found.entry["status"]["status_str"] == "success"


@pytest.mark.parametrize(("count", "is_listed"), [(20, True), (21, False)])
def test_choices_are_left_out_of_an_error_if_they_are_more_than_20(
    tmp_path: Path, count: int, *, is_listed: bool
) -> None:
    names = [f"{number:02}.safetensors" for number in range(count)]
    with serve(tmp_path, *names) as url:
        refused = ComfyUI(url, names[0]).refusal(picture("nope.safetensors"))
    [error] = refused["node_errors"]["4"]["errors"]
    assert error["extra_info"]["input_config"] == ([names, {}] if is_listed else None)
    shown = str(names) if is_listed else f"(list of length {count})"
    assert error["details"] == f"ckpt_name: 'nope.safetensors' not in {shown}"

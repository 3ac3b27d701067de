"""The queue and the history of pending, running and ended prompts."""

from uuid import uuid4

import pytest

from tests.contracts.graphs import flat, save
from tests.contracts.protocol import ComfyUI, Listener

Busy = tuple[str, Listener]


def pending_ids(comfyui: ComfyUI) -> set[str]:
    return {item[1] for item in comfyui.get("/queue").json()["queue_pending"]}


def test_an_unknown_prompt_has_no_history(comfyui: ComfyUI) -> None:
    answer = comfyui.get(f"/history/{uuid4()}")
    assert (answer.status_code, answer.json()) == (200, {})


def test_a_running_prompt_has_no_history_yet(comfyui: ComfyUI, busy: Busy) -> None:
    assert comfyui.get(f"/history/{busy[0]}").json() == {}


def test_a_running_prompt_is_in_the_queue(comfyui: ComfyUI, busy: Busy) -> None:
    (running,) = comfyui.get("/queue").json()["queue_running"]
    number, prompt_id, graph, extra_data, outputs = running[:5]
    assert isinstance(number, int | float)
    assert prompt_id == busy[0]
    assert graph["9"]["class_type"] == "SaveImage"
    assert extra_data["client_id"] == busy[1].client_id
    assert outputs == ["9"]


def test_a_pending_prompt_is_in_the_queue_and_not_in_the_history(
    comfyui: ComfyUI, busy: Busy
) -> None:
    graph = flat()
    prompt_id = comfyui.submit(graph)
    pending = {item[1]: item for item in comfyui.get("/queue").json()["queue_pending"]}
    assert pending[prompt_id][2] == graph
    assert pending[prompt_id][4] == ["2"]
    assert comfyui.get(f"/history/{prompt_id}").json() == {}


def test_queue_remaining_counts_running_and_pending_prompts(comfyui: ComfyUI, busy: Busy) -> None:
    comfyui.submit(flat())
    queue = comfyui.get("/queue").json()
    remaining = comfyui.get("/prompt").json()["exec_info"]["queue_remaining"]
    assert remaining == len(queue["queue_running"]) + len(queue["queue_pending"])
    assert remaining >= 2


def test_a_deleted_pending_prompt_has_no_messages_and_no_history(
    comfyui: ComfyUI, busy: Busy
) -> None:
    with comfyui.listener() as listener:
        deleted = comfyui.submit(flat(), client_id=listener.client_id)
        later = comfyui.submit(flat(), client_id=listener.client_id)
        answer = comfyui.post("/queue", {"delete": [deleted]})
        assert (answer.status_code, answer.content) == (200, b"")
        assert deleted not in pending_ids(comfyui)
        comfyui.interrupt(busy[0])
        listener.until_end(later)
        assert listener.about(deleted) == []
    assert comfyui.get(f"/history/{deleted}").json() == {}


def test_a_running_prompt_cannot_be_deleted(comfyui: ComfyUI, busy: Busy) -> None:
    assert comfyui.post("/queue", {"delete": [busy[0]]}).status_code == 200
    assert [item[1] for item in comfyui.get("/queue").json()["queue_running"]] == [busy[0]]


@pytest.mark.parametrize("path", ["/queue", "/history"])
def test_an_unknown_prompt_may_be_deleted(comfyui: ComfyUI, path: str) -> None:
    answer = comfyui.post(path, {"delete": [f"{uuid4()}"]})
    assert (answer.status_code, answer.content) == (200, b"")


def test_an_interrupt_of_a_pending_prompt_changes_nothing(comfyui: ComfyUI, busy: Busy) -> None:
    waiting = comfyui.submit(flat())
    answer = comfyui.post("/interrupt", {"prompt_id": waiting})
    assert (answer.status_code, answer.content) == (200, b"")
    busy[1].until("progress", prompt_id=busy[0])
    assert waiting in pending_ids(comfyui)


def test_an_interrupted_prompt_ends_as_an_error(comfyui: ComfyUI, busy: Busy) -> None:
    prompt_id, listener = busy
    assert comfyui.post("/interrupt", {"prompt_id": prompt_id}).status_code == 200
    listener.until_end(prompt_id)
    entry = comfyui.entry(prompt_id)
    assert entry["status"]["status_str"] == "error"
    assert entry["status"]["completed"] is False
    assert entry["outputs"] == {}
    name, data = entry["status"]["messages"][-1]
    assert name == "execution_interrupted"
    assert (data["prompt_id"], data["node_id"], data["node_type"]) == (prompt_id, "3", "KSampler")
    assert set(data["executed"]) <= {"4", "5", "6", "7"}


def test_the_prompt_after_an_interrupted_one_runs(comfyui: ComfyUI, busy: Busy) -> None:
    comfyui.interrupt(busy[0])
    assert comfyui.run(flat()).entry["status"]["status_str"] == "success"


def test_a_successful_prompt_has_a_complete_history_entry(comfyui: ComfyUI) -> None:
    graph = flat()
    run = comfyui.run(graph)
    assert run.entry.keys() >= {"prompt", "outputs", "status", "meta"}
    assert run.entry["prompt"][1:3] == [run.prompt_id, graph]
    assert run.entry["prompt"][4] == ["2"]
    name = f"{graph['2']['inputs']['filename_prefix']}_00001_.png"
    expected = {"filename": name, "subfolder": "", "type": "output"}
    assert run.entry["outputs"] == {"2": {"images": [expected]}}
    assert run.entry["status"]["status_str"] == "success"
    assert run.entry["status"]["completed"] is True
    assert run.entry["meta"]["2"]["node_id"] == "2"


def test_a_history_entry_has_its_start_and_its_end(comfyui: ComfyUI) -> None:
    run = comfyui.run(flat())
    names = [name for name, _ in run.entry["status"]["messages"]]
    assert names == ["execution_start", "execution_cached", "execution_success"]
    started, _, ended = (data["timestamp"] for _, data in run.entry["status"]["messages"])
    assert 10**12 < started <= ended < 10**13


def test_the_history_of_a_failed_prompt_has_its_node_and_exception(comfyui: ComfyUI) -> None:
    graph = flat()
    graph["2"] = save(["1", 0], "../outside")
    run = comfyui.run(graph)
    assert (run.entry["status"]["status_str"], run.entry["status"]["completed"]) == ("error", False)
    name, data = run.entry["status"]["messages"][-1]
    assert name == "execution_error"
    assert (data["node_id"], data["node_type"]) == ("2", "SaveImage")
    assert data["executed"] == ["1"]
    assert data["exception_type"]
    assert "outside the output folder" in data["exception_message"]
    assert data["current_inputs"]["filename_prefix"] == ["../outside"]
    assert data.keys() >= {"prompt_id", "traceback", "current_outputs", "timestamp"}


def test_the_history_does_not_contain_an_account_key(comfyui: ComfyUI) -> None:
    run = comfyui.run(flat(), extra_data={"api_key_comfy_org": "secret", "job": 7})
    assert "api_key_comfy_org" not in run.entry["prompt"][3]
    assert run.entry["prompt"][3]["job"] == 7


def test_the_length_and_the_offset_of_the_history_can_be_limited(comfyui: ComfyUI) -> None:
    first, second = comfyui.run(flat()), comfyui.run(flat())
    listed = list(comfyui.get("/history").json())
    assert listed.index(first.prompt_id) < listed.index(second.prompt_id)
    newest = list(comfyui.get("/history", {"max_items": 1}).json())
    assert len(newest) == 1
    assert newest[0] not in listed[:-1]
    oldest = list(comfyui.get("/history", {"max_items": 2, "offset": 0}).json())
    assert oldest == listed[:2]


def test_deleting_a_history_entry_keeps_its_file(comfyui: ComfyUI) -> None:
    run = comfyui.run(flat())
    assert comfyui.post("/history", {"delete": [run.prompt_id]}).status_code == 200
    assert comfyui.get(f"/history/{run.prompt_id}").json() == {}
    assert comfyui.view(run.images[0]).status_code == 200


def test_a_history_length_that_is_not_a_number_is_a_server_error(comfyui: ComfyUI) -> None:
    assert comfyui.get("/history", {"max_items": "many"}).status_code == 500

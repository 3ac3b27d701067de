"""The messages that a server sends over the websocket while a prompt runs."""

import json

import pytest
import websocket

from tests.contracts.graphs import flat, picture, save
from tests.contracts.protocol import ComfyUI, Listener

Busy = tuple[str, Listener]


def test_the_first_message_is_the_status(comfyui: ComfyUI) -> None:
    with comfyui.listener("a-client") as listener:
        first_message = listener.heard[0]
    assert first_message.type == "status"
    assert first_message.data["sid"] == "a-client"
    assert isinstance(first_message.data["status"]["exec_info"]["queue_remaining"], int)


def test_a_client_without_an_id_gets_one(comfyui: ComfyUI) -> None:
    url = comfyui.url.replace("http", "ws", 1) + "/ws"
    socket = websocket.create_connection(url, timeout=10, suppress_origin=True)
    assert len(json.loads(socket.recv())["data"]["sid"]) == 32
    socket.close()


def test_an_execution_sends_its_messages_in_order(comfyui: ComfyUI) -> None:
    messages = comfyui.run(flat()).messages
    assert [(message.type, message.data.get("node", "-")) for message in messages] == [
        ("execution_start", "-"),
        ("execution_cached", "-"),
        ("progress_state", "-"),
        ("executing", "1"),
        ("progress_state", "-"),
        ("progress_state", "-"),
        ("executing", "2"),
        ("executed", "2"),
        ("progress_state", "-"),
        ("execution_success", "-"),
        ("executing", None),
    ]


def test_a_status_is_sent_between_success_and_the_last_message(comfyui: ComfyUI) -> None:
    with comfyui.listener() as listener:
        prompt_id = comfyui.submit(flat(), client_id=listener.client_id)
        listener.until("execution_success", prompt_id=prompt_id)
        assert listener.next().type == "status"


def test_nodes_run_after_what_they_depend_on(comfyui: ComfyUI) -> None:
    graph = picture(comfyui.checkpoint)
    messages = comfyui.run(graph).messages
    order = [message.data["node"] for message in messages if message.type == "executing"]
    assert order[-1] is None
    for node_id in order[:-1]:
        links = [value for value in graph[node_id]["inputs"].values() if isinstance(value, list)]
        assert all(source not in order[order.index(node_id) :] for source, _ in links)


def test_sampling_sends_a_progress_message_for_every_step(comfyui: ComfyUI) -> None:
    run = comfyui.run(picture(comfyui.checkpoint, steps=3))
    progress = [message.data for message in run.messages if message.type == "progress"]
    assert progress == [
        {"value": value, "max": 3, "prompt_id": run.prompt_id, "node": "3"} for value in (1, 2, 3)
    ]


def test_progress_state_has_the_state_of_every_started_node(comfyui: ComfyUI) -> None:
    run = comfyui.run(flat())
    states = [message.data["nodes"] for message in run.messages if message.type == "progress_state"]
    assert [[node["state"] for node in nodes.values()] for nodes in states] == [
        ["running"],
        ["finished"],
        ["finished", "running"],
        ["finished", "finished"],
    ]
    assert states[-1]["2"] == {
        "value": 1.0,
        "max": 1.0,
        "state": "finished",
        "node_id": "2",
        "prompt_id": run.prompt_id,
        "display_node_id": "2",
        "parent_node_id": None,
        "real_node_id": "2",
    }


def test_executed_has_the_same_output_as_the_history(comfyui: ComfyUI) -> None:
    run = comfyui.run(flat())
    (executed,) = (message.data for message in run.messages if message.type == "executed")
    assert executed["node"] == executed["display_node"] == "2"
    assert executed["output"] == run.entry["outputs"]["2"]


def test_the_history_is_available_when_the_last_message_arrives(comfyui: ComfyUI) -> None:
    with comfyui.listener() as listener:
        for _ in range(25):
            prompt_id = comfyui.submit(flat(), client_id=listener.client_id)
            listener.until_end(prompt_id)
            assert comfyui.get(f"/history/{prompt_id}").json().keys() == {prompt_id}


def test_an_execution_sends_its_messages_to_its_own_client_only(comfyui: ComfyUI) -> None:
    with comfyui.listener() as bystander:
        run = comfyui.run(flat())
        with comfyui.listener() as newcomer:
            comfyui.submit(flat(), client_id=bystander.client_id)
            newcomer.until("status")
            bystander.until("execution_start")
    assert bystander.about(run.prompt_id) == []
    assert {message.type for message in newcomer.heard} == {"status"}


def test_a_prompt_runs_although_its_client_is_not_connected(comfyui: ComfyUI) -> None:
    with comfyui.listener() as listener:
        unobserved = comfyui.submit(flat(), client_id="nobody")
        listener.until_end(comfyui.submit(flat(), client_id=listener.client_id))
    assert comfyui.entry(unobserved)["status"]["status_str"] == "success"


def test_an_execution_error_is_sent_before_the_last_message(comfyui: ComfyUI) -> None:
    graph = flat()
    graph["2"] = save(["1", 0], "../outside")
    run = comfyui.run(graph)
    assert [message.type for message in run.messages[-2:]] == ["execution_error", "executing"]
    assert run.messages[-2].data == run.status_messages["execution_error"]


def test_an_interruption_is_sent_before_the_last_message(comfyui: ComfyUI, busy: Busy) -> None:
    prompt_id, listener = busy
    comfyui.interrupt(prompt_id)
    messages = listener.until_end(prompt_id)
    assert [message.type for message in messages[-2:]] == ["execution_interrupted", "executing"]


def test_a_client_that_reconnects_receives_the_running_node(comfyui: ComfyUI, busy: Busy) -> None:
    with comfyui.listener(busy[1].client_id) as returned:
        assert returned.next().data == {"node": "3"}
        assert returned.until("progress", prompt_id=busy[0]).data["node"] == "3"
        comfyui.interrupt(busy[0])
        returned.until_end(busy[0])


def test_the_server_answers_feature_flags_with_its_own(comfyui: ComfyUI) -> None:
    with comfyui.listener() as listener:
        flags = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
        listener.socket.send(json.dumps(flags))
        answer = listener.until("feature_flags").data
    assert answer == comfyui.get("/features").json()


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:1"])
def test_a_page_of_another_origin_gets_no_websocket(comfyui: ComfyUI, origin: str) -> None:
    url = comfyui.url.replace("http", "ws", 1) + "/ws"
    with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
        websocket.create_connection(url, timeout=10, origin=origin)
    assert refusal.value.status_code == 403


def test_the_servers_own_page_gets_a_websocket(comfyui: ComfyUI) -> None:
    url = comfyui.url.replace("http", "ws", 1) + "/ws"
    socket = websocket.create_connection(url, timeout=10, origin=comfyui.url)
    assert socket.getstatus() == 101
    socket.close()

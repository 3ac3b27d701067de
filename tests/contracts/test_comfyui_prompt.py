"""What a server does with graphs that it accepts."""

from uuid import uuid4

import pytest

from tests.contracts.graphs import flat, fresh_prefix, picture, save
from tests.contracts.protocol import ComfyUI, Listener

Busy = tuple[str, Listener]


def test_a_prompt_gets_an_id_a_number_and_no_errors(comfyui: ComfyUI) -> None:
    answer = comfyui.post("/prompt", {"prompt": flat()}).json()
    assert answer.keys() == {"prompt_id", "number", "node_errors"}
    assert len(answer["prompt_id"]) == 36
    assert isinstance(answer["number"], int)
    assert answer["node_errors"] == {}


def test_a_chosen_prompt_id_is_kept(comfyui: ComfyUI) -> None:
    chosen = str(uuid4())
    run = comfyui.run(flat(), prompt_id=chosen)
    assert run.prompt_id == chosen
    assert run.entry["prompt"][1] == chosen


ID = "2d1c4b1e-5f0a-4c8e-9b7d-3a6f0e8c1b2a"
NOT_CANONICAL = ["job-1", "", 42, ID.upper(), ID.replace("-", ""), f"{{{ID}}}"]


@pytest.mark.parametrize("prompt_id", NOT_CANONICAL)
def test_a_prompt_id_is_a_canonical_uuid(comfyui: ComfyUI, prompt_id: object) -> None:
    """Before version 0.25.0 it may be anything."""
    if not comfyui.is_at_least(0, 25):
        assert comfyui.submit(flat(), prompt_id=prompt_id) == str(prompt_id)
        return
    refusal = comfyui.refusal(flat(), prompt_id=prompt_id)
    assert (refusal["error"]["type"], refusal["node_errors"]) == ("invalid_prompt_id", {})
    assert refusal["error"]["message"] == "prompt_id must be a valid UUID"
    assert "canonical lowercase hyphenated form" in refusal["error"]["details"]


def test_unknown_fields_of_a_prompt_are_accepted(comfyui: ComfyUI) -> None:
    graph = flat()
    graph["1"]["_meta"] = {"title": "Empty"}
    graph["1"]["inputs"]["unheard_of"] = 1
    run = comfyui.run(graph, unheard_of=True, extra_data={"job": {"id": 7}})
    assert run.entry["status"]["status_str"] == "success"
    assert run.entry["prompt"][2]["1"]["_meta"] == {"title": "Empty"}
    assert run.entry["prompt"][3]["job"] == {"id": 7}


def test_a_json_body_needs_no_content_type(comfyui: ComfyUI) -> None:
    answer = comfyui.post_raw("/prompt", b'{"prompt": {}}')
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "prompt_no_outputs"


def test_numbers_may_be_text_and_are_converted(comfyui: ComfyUI) -> None:
    run = comfyui.run(flat(width="72"))
    assert run.entry["prompt"][2]["1"]["inputs"]["width"] == 72


def test_a_given_queue_number_is_returned_as_a_float(comfyui: ComfyUI) -> None:
    answer = comfyui.post("/prompt", {"prompt": flat(), "number": 5}).json()
    assert isinstance(answer["number"], float)
    assert answer["number"] == 5


def test_a_prompt_for_the_front_gets_a_lower_number_than_all_others(comfyui: ComfyUI) -> None:
    ordinary = comfyui.post("/prompt", {"prompt": flat()}).json()["number"]
    front = comfyui.post("/prompt", {"prompt": flat(), "front": True}).json()["number"]
    assert front == -(ordinary + 1)


def test_lower_numbers_run_first(comfyui: ComfyUI, busy: Busy) -> None:
    far_back = 10**6
    with comfyui.listener() as listener:
        client_id = listener.client_id
        late = comfyui.submit(flat(), client_id=client_id, number=far_back + 1)
        soon = comfyui.submit(flat(), client_id=client_id, number=far_back)
        comfyui.interrupt(busy[0])
        listener.until_end(late)
    started = [each.data["prompt_id"] for each in listener.heard if each.type == "execution_start"]
    assert started == [soon, late]


def test_a_valid_output_runs_without_the_invalid_ones(comfyui: ComfyUI) -> None:
    graph = flat()
    graph["3"] = {"class_type": "EmptyImage", "inputs": {"width": 0, "height": 64}}
    graph["4"] = save(["3", 0])
    with comfyui.listener() as listener:
        body = {"prompt": graph, "client_id": listener.client_id}
        answer = comfyui.post("/prompt", body)
        prompt_id = answer.json()["prompt_id"]
        listener.until_end(prompt_id)
    assert answer.status_code == 200
    assert answer.json()["node_errors"]["3"]["dependent_outputs"] == ["4"]
    entry = comfyui.entry(prompt_id)
    assert entry["outputs"].keys() == {"2"}
    assert entry["prompt"][4] == ["2"]


def test_only_the_targets_run_if_any_are_given(comfyui: ComfyUI) -> None:
    graph = flat()
    graph["3"] = save(["1", 0])
    run = comfyui.run(graph, partial_execution_targets=["3"])
    assert run.entry["outputs"].keys() == {"3"}


def test_outputs_that_are_not_targets_do_not_run(comfyui: ComfyUI) -> None:
    """Before version 0.33.0 their cached images may be in the history nevertheless."""
    graph = flat()
    graph["3"] = save(["1", 0])
    assert comfyui.run(graph).entry["outputs"].keys() == {"2", "3"}
    run = comfyui.run(graph, partial_execution_targets=["3"])
    assert run.entry["prompt"][4] == ["3"]
    if comfyui.is_at_least(0, 33):
        assert run.entry["outputs"].keys() == {"3"}


def test_a_saved_image_can_be_used_by_other_nodes(comfyui: ComfyUI) -> None:
    graph = flat()
    graph["3"] = save(["2", 0])
    if comfyui.is_at_least(0, 33):
        assert comfyui.run(graph).entry["outputs"].keys() == {"2", "3"}
    else:
        assert comfyui.post("/prompt", {"prompt": graph}).json()["node_errors"].keys() == {"3"}


def test_the_same_graph_again_makes_no_new_file(comfyui: ComfyUI, busy: Busy) -> None:
    graph = picture(comfyui.checkpoint)
    with comfyui.listener() as listener:
        # Both wait behind a running prompt, so that no other prompt runs between them.
        first = comfyui.submit(graph, client_id=listener.client_id)
        second = comfyui.submit(graph, client_id=listener.client_id)
        comfyui.interrupt(busy[0])
        listener.until_end(first)
        messages = listener.until_end(second)
    again = comfyui.entry(second)
    assert again["outputs"] == comfyui.entry(first)["outputs"]
    assert again["status"]["status_str"] == "success"
    assert set(dict(again["status"]["messages"])["execution_cached"]["nodes"]) == graph.keys()
    executed = [message.data["node"] for message in messages if message.type == "executed"]
    assert executed == ["9"]


def test_a_new_filename_prefix_saves_again_without_sampling_again(
    comfyui: ComfyUI, busy: Busy
) -> None:
    graph = picture(comfyui.checkpoint)
    with comfyui.listener() as listener:
        first = comfyui.submit(graph, client_id=listener.client_id)
        graph["9"]["inputs"]["filename_prefix"] = fresh_prefix()
        second = comfyui.submit(graph, client_id=listener.client_id)
        comfyui.interrupt(busy[0])
        messages = listener.until_end(second)
    assert comfyui.entry(second)["outputs"] != comfyui.entry(first)["outputs"]
    executing = [message.data["node"] for message in messages if message.type == "executing"]
    assert executing == ["9", None]


def test_freeing_memory_empties_the_cache(comfyui: ComfyUI) -> None:
    graph = flat()
    assert comfyui.run(graph).entry["status"]["completed"]

    def run_freed() -> set[str]:
        answer = comfyui.post("/free", {"unload_models": True, "free_memory": True})
        assert (answer.status_code, answer.content) == (200, b"")
        return comfyui.run(graph).cached

    # ComfyUI frees memory between prompts, and may start the next prompt before it does so.
    assert any(run_freed() == set() for _ in range(20))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_prompt_makes_as_many_images_as_its_batch_size(comfyui: ComfyUI, batch_size: int) -> None:
    images = comfyui.run(picture(comfyui.checkpoint, batch_size=batch_size)).images
    assert len({image["filename"] for image in images}) == batch_size

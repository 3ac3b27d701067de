"""Two connections of one client id: one driver hands a run over to the next in mid-sampling."""

from collections.abc import Iterator

import pytest
from websocket import WebSocketTimeoutException

from tests.contracts.conftest import MANY_STEPS
from tests.contracts.graphs import picture
from tests.contracts.protocol import ComfyUI, Listener

Busy = tuple[str, Listener]


@pytest.fixture
def silenced(comfyui: ComfyUI, busy: Busy) -> Iterator[Listener]:
    """The second connection of a client whose first one was closed after the second was opened."""
    _, first = busy
    with comfyui.listener(first.client_id) as second:
        first.socket.close()
        yield second


def rest(listener: Listener) -> list[str]:
    """Return the kinds of the messages that were sent so far, or are sent within a second."""
    listener.socket.settimeout(1)
    heard = []
    try:
        while True:
            heard.append(listener.next().type)
    except WebSocketTimeoutException:
        return heard


def test_the_next_driver_hears_the_rest_of_a_run(comfyui: ComfyUI) -> None:
    with comfyui.listener() as first:
        graph = picture(comfyui.checkpoint, MANY_STEPS)
        prompt_id = comfyui.submit(graph, client_id=first.client_id)
        first.until("progress", prompt_id=prompt_id)
    with comfyui.listener(first.client_id) as second:
        assert second.next().data == {"node": "3"}
        second.until("progress", prompt_id=prompt_id)
        comfyui.interrupt(prompt_id)
        assert second.until_end(prompt_id)[-2].type == "execution_interrupted"


def test_a_first_connection_that_closes_late_silences_the_second(
    comfyui: ComfyUI, busy: Busy, silenced: Listener
) -> None:
    prompt_id, _ = busy
    with comfyui.listener() as bystander:
        comfyui.interrupt(prompt_id)
        next_one = comfyui.submit(picture(comfyui.checkpoint), client_id=bystander.client_id)
        bystander.until_end(next_one)
    assert comfyui.entry(prompt_id)["status"]["status_str"] == "error"
    assert "execution_interrupted" not in rest(silenced)


def test_a_silenced_client_hears_again_when_it_reconnects(
    comfyui: ComfyUI, busy: Busy, silenced: Listener
) -> None:
    prompt_id, _ = busy
    silenced.socket.close()
    with comfyui.listener(silenced.client_id) as third:
        assert third.next().data == {"node": "3"}
        third.until("progress", prompt_id=prompt_id)
        comfyui.interrupt(prompt_id)
        third.until_end(prompt_id)

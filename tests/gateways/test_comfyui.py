"""The ComfyUI gateway against the stand-in: it submits, finds and follows attempts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chalicelib.errors import ComfyUIUnreachable
from chalicelib.gateways.comfyui.client import ComfyUI
from chalicelib.gateways.comfyui.state import Finished, ImageFile, Waiting
from local.stack.processes import free_port
from tests.contracts.graphs import flat, picture
from tests.contracts.protocol import ComfyUI as Server
from tests.gateways.faulty import Script, serving
from tests.gateways.following import connect, follow_at, run
from tests.local.stand_in import CHECKPOINT, sampling
from tests.local.stand_in import server as stand_in

NEXT = str(uuid4())
GONE = ImageFile("gone_00001_.png", "", "output")


@contextmanager
def busy(server: Server) -> Iterator[str]:
    """Keep the server sampling until the block ends; yield the prompt's id."""
    with server.listener() as listener:
        prompt_id = sampling(server, listener)
        yield prompt_id
        server.interrupt(prompt_id)
        listener.until_end(prompt_id)


def test_a_graph_is_submitted_and_followed_and_its_image_fetched(gateway: ComfyUI) -> None:
    (file,) = run(gateway, flat(width=96, height=64)).images
    with gateway.image(file) as found:
        assert found is not None
        content, size = found
        data = content.read()
    assert len(data) == size
    assert Image.open(BytesIO(data)).size == (96, 64)


def test_every_image_of_a_batch_is_listed_under_its_node(gateway: ComfyUI) -> None:
    graph = flat("darkroom/job/batch", batch_size=3)
    state = run(gateway, graph).state
    names = [f"batch_0000{number}_.png" for number in (1, 2, 3)]
    files = [ImageFile(name, "darkroom/job", "output") for name in names]
    assert isinstance(state, Finished)
    assert (state.images, state.failure) == ({"2": files}, None)
    assert state.execution_seconds is not None


def test_progress_is_reported_for_each_step(gateway: ComfyUI) -> None:
    followed = run(gateway, picture(CHECKPOINT, steps=3))
    steps = [each for each in followed.reports if each and each["node"] == "3"]
    assert steps == [
        {"value": 0, "max": 1, "node": "3"},
        *({"value": step, "max": 3, "node": "3"} for step in (1, 2, 3)),
    ]


def test_an_attempt_that_was_never_submitted_is_not_found(gateway: ComfyUI) -> None:
    run(gateway, flat())
    assert gateway.find("never") is None


def test_an_attempt_is_found_while_it_runs_while_it_waits_and_when_it_has_ended(
    gateway: ComfyUI, server: Server
) -> None:
    with busy(server) as running:
        gateway.submit(NEXT, flat(), ["2"])
        assert gateway.find(running) == Waiting(0, running)
        assert gateway.find(NEXT) == Waiting(1, running)
        assert gateway.queue_length() == 2
    assert follow_at(server.url, NEXT).images
    found = gateway.find(NEXT)
    assert isinstance(found, Finished)
    assert gateway.queue_length() == 0


@settings(max_examples=15)
@given(numbers=st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_positions_are_in_the_order_of_execution(server: Server, numbers: list[int]) -> None:
    gateway = connect(server.url)
    with busy(server) as running:
        server.post("/history", {"clear": True})
        ids = [str(uuid4()) for _ in numbers]
        for prompt_id, number in zip(ids, numbers, strict=True):
            server.submit(flat(), prompt_id=prompt_id, number=number)
        found = {prompt_id: gateway.find(prompt_id) for prompt_id in ids}
    with server.listener() as listener:
        while server.get("/prompt").json()["exec_info"]["queue_remaining"]:
            listener.next()
    order = [prompt_id for prompt_id in server.get("/history").json() if prompt_id in ids]
    assert found == {id_: Waiting(place, running) for place, id_ in enumerate(order, start=1)}


def test_a_failed_execution_names_its_node_and_no_path(gateway: ComfyUI) -> None:
    state = run(gateway, flat("../outside")).state
    assert isinstance(state, Finished)
    assert state.failure is not None
    assert state.failure.kind == "node_failed"
    assert state.failure.error.startswith("SaveImage failed in ComfyUI: ")
    assert "/" not in state.failure.error


def test_an_interrupted_execution_has_a_failure_of_its_own_kind(
    gateway: ComfyUI, server: Server
) -> None:
    with busy(server) as interrupted:
        pass
    state = gateway.find(interrupted)
    assert isinstance(state, Finished)
    assert state.failure is not None
    assert state.failure.kind == "interrupted"


def test_an_image_whose_file_is_gone_is_none(tmp_path: Path) -> None:
    with stand_in(tmp_path) as server:
        gateway = connect(server.url)
        (file,) = run(gateway, flat()).images
        (tmp_path / "output" / file.filename).unlink()
        with gateway.image(file) as found:
            assert found is None


def fetch(gateway: ComfyUI) -> None:
    with gateway.image(GONE):
        pass


def follow_now(gateway: ComfyUI) -> None:
    with gateway.events("job-1") as events:
        gateway.follow("job-1", events, until=0, report=print)


METHODS: dict[str, Callable[[ComfyUI], Any]] = {
    "queue_length": ComfyUI.queue_length,
    "submit": lambda gateway: gateway.submit("job-1", flat(), ["2"]),
    "find": lambda gateway: gateway.find("job-1"),
    "follow": follow_now,
    "image": fetch,
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_comfyui_that_is_off_is_unreachable(method: Callable[[ComfyUI], Any]) -> None:
    off = connect(f"http://127.0.0.1:{free_port(0)}")
    with pytest.raises(ComfyUIUnreachable):
        method(off)


def test_no_request_has_an_origin_header() -> None:
    script = Script(ends_at_look=0)
    with serving(script) as url:
        for method in METHODS.values():
            method(connect(url))
    asked = {request.path.split("/")[1] for request in script.requests}
    assert asked == {"prompt", "queue", "history", "view", "ws"}
    assert not [request.path for request in script.requests if "Origin" in request.headers]


def test_a_chosen_attempt_id_can_be_followed_and_found(gateway: ComfyUI) -> None:
    attempt_id = str(uuid4())
    followed = run(gateway, flat(), attempt_id)
    assert followed.images
    assert followed.reports, "the websocket had another client id"
    assert gateway.find(attempt_id) == followed.state


def test_any_prompt_id_of_another_client_is_looked_up() -> None:
    """Before version 0.25.0 a client may choose any text."""
    odd = "01K/2 3?d=4&e#f%2F+ü"
    with serving(script := Script(ends_at_look=0)) as url:
        connect(url).find(odd)
    assert unquote(script.requests[-1].rel_url.raw_path) == f"/history/{odd}"

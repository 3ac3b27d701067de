"""HTTP answers that fail, break off, come in pieces, or have more or less than they should."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from chalicelib.errors import ComfyUIUnreachable, WorkflowRejected
from chalicelib.gateways.comfyui.client import ComfyUI
from chalicelib.gateways.comfyui.state import Finished, ImageFile, Waiting
from chalicelib.gateways.s3 import ImageStore
from chalicelib.signals import StoreFailed
from tests.contracts.graphs import flat
from tests.gateways.bucket import bucket
from tests.gateways.faulty import ENTRY, IMAGE, Answer, Script, serving
from tests.gateways.following import SAVED, connect, follow
from tests.gateways.talks import END, says

FILE = ImageFile(**IMAGE)
PNG = bytes(range(256)) * 400


def answers(text: str, status: int = 200, content_type: str = "application/json") -> Answer:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=text, status=status, content_type=content_type)

    return answer


def in_pieces(content: bytes, pieces: int, *, then_hangs_up: bool = False) -> Answer:
    """Announce the whole content, and send it in pieces, or only half of it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        size = len(content) // pieces + 1
        for start in range(0, len(content) // (2 if then_hangs_up else 1), size):
            await response.write(content[start : start + size])
            await asyncio.sleep(0.01)
        if then_hangs_up and request.transport:
            request.transport.abort()
        return response

    return answer


async def hang_up(request: web.Request) -> web.Response:
    await request.read()
    if request.transport:
        request.transport.abort()
    return web.Response()


def submit(gateway: ComfyUI) -> None:
    gateway.submit("job-1", flat(), ["2"])


def fetch(gateway: ComfyUI) -> None:
    with gateway.image(FILE):
        pass


UNCLEAR = [
    answers("500 Internal Server Error", 500, "text/plain"),
    answers('{"error": {"message": "no prompt"}, "node_errors": {}}', 500),
    answers("Maximum request body size 104857600 exceeded.", 413, "text/plain"),
    answers("<html>Bad Gateway</html>", 502, "text/html"),
    hang_up,
]


@pytest.mark.parametrize("answer", UNCLEAR, ids=["500", "500 in JSON", "413", "502", "hangs up"])
def test_a_submission_without_a_clear_answer_is_unreachable_and_not_retried(answer: Answer) -> None:
    script = Script(answers={"prompt": answer})
    with serving(script) as url, pytest.raises(ComfyUIUnreachable):
        submit(connect(url))
    assert script.count("/prompt") == 1


METHODS: dict[str, Callable[[ComfyUI], Any]] = {
    "queue_length": ComfyUI.queue_length,
    "find": lambda gateway: gateway.find("job-1"),
}
OTHER_PROGRAMS = ["<html>It works!</html>", "", "{}"]


@pytest.mark.parametrize("text", OTHER_PROGRAMS)
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_another_program_at_the_address_is_an_unreachable_comfyui(
    method: Callable[[ComfyUI], Any], text: str
) -> None:
    script = Script(answers=dict.fromkeys(("prompt", "queue", "history"), answers(text)))
    with serving(script) as url, pytest.raises(ComfyUIUnreachable):
        method(connect(url))


OTHER_REFUSALS = {
    "older": {"error": "no prompt", "node_errors": []},
    "of a class": {"error": {"message": "no node Flux", "details": ""}, "node_errors": []},
    "bare": {},
}


@pytest.mark.parametrize("body", OTHER_REFUSALS.values(), ids=OTHER_REFUSALS)
def test_a_refusal_in_the_form_of_another_version_is_a_refusal(body: dict[str, Any]) -> None:
    script = Script(answers={"prompt": answers(json.dumps(body), 400)})
    with serving(script) as url, pytest.raises(WorkflowRejected) as refusal:
        submit(connect(url))
    assert "ComfyUI refused the workflow" in str(refusal.value)


def test_a_refusal_that_is_not_json_raises_one_of_the_gateways_errors() -> None:
    script = Script(answers={"prompt": answers("400: Bad Request", 400, "text/plain")})
    with serving(script) as url, pytest.raises((WorkflowRejected, ComfyUIUnreachable)):
        submit(connect(url))


def test_an_answer_that_comes_in_pieces_is_read() -> None:
    history = json.dumps({"job-1": ENTRY}).encode()
    script = Script(talk=says(END), answers={"history": in_pieces(history, 50)})
    assert follow(script).images == SAVED


def test_fields_that_newer_versions_add_are_ignored() -> None:
    more = {"create_time": 1}
    queue = {
        "queue_running": [[0, "a", {}, {}, ["9"], more, None]],
        "queue_pending": [[2, "job-1", {}, {}, [], more], [1, "b", {}, {}, [], more]],
        "more": more,
    }
    image = {**IMAGE, **more}
    outputs = {"9": {"images": [image], "animated": [False]}, "10": {"text": ["a"]}}
    entry = {**ENTRY, "outputs": outputs, "more": more}
    with serving(Script(queue=queue)) as url:
        assert connect(url).find("job-1") == Waiting(2, "a")
    with serving(Script(entry=entry, ends_at_look=0)) as url:
        assert connect(url).find("job-1") == Finished({"9": SAVED, "10": []})


@pytest.mark.parametrize("status", [400, 403, 500])
def test_an_image_that_comfyui_refuses_is_not_taken_for_a_missing_one(status: int) -> None:
    script = Script(answers={"view": answers("", status)})
    with serving(script) as url, pytest.raises(ComfyUIUnreachable):
        fetch(connect(url))


def copy(url: str, store: ImageStore) -> None:
    with connect(url).image(FILE) as found:
        assert found
        store.put("job/0.png", *found)


def test_an_image_that_comes_in_pieces_is_stored_whole() -> None:
    script = Script(answers={"view": in_pieces(PNG, 50)})
    with serving(script) as url, bucket() as (store, kept):
        copy(url, store)
    assert kept == {"/images/job/0.png": PNG}


def test_an_image_that_breaks_off_is_not_stored() -> None:
    script = Script(answers={"view": in_pieces(PNG, 2, then_hangs_up=True)})
    with serving(script) as url, bucket() as (store, kept):
        with pytest.raises((StoreFailed, ComfyUIUnreachable)):
            copy(url, store)
        assert kept == {}


def read(gateway: ComfyUI) -> None:
    with gateway.image(FILE) as found:
        assert found
        content, size = found
        while content.read(size):
            pass


def test_an_image_that_breaks_off_while_it_is_read_is_reported_as_silence() -> None:
    script = Script(answers={"view": in_pieces(PNG, 2, then_hangs_up=True)})
    with serving(script) as url, pytest.raises(ComfyUIUnreachable, match="whole image"):
        read(connect(url))

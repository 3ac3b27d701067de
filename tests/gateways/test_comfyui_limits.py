"""Redirects of ComfyUI are not followed, and answers that are too large are not read."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from chalicelib.errors import ComfyUIUnreachable, GenerationFailed
from chalicelib.gateways.comfyui.client import ComfyUI
from chalicelib.gateways.comfyui.errors import failure
from chalicelib.gateways.comfyui.events import Events
from chalicelib.gateways.comfyui.state import ImageFile
from tests.contracts.graphs import flat
from tests.gateways.explaining import explained
from tests.gateways.faulty import IMAGE, Answer, Script, serving
from tests.gateways.following import connect

MEGABYTE = 1024 * 1024
USES: dict[str, Callable[[ComfyUI], object]] = {
    "prompt": ComfyUI.queue_length,
    "system_stats": ComfyUI.software,
    "queue": lambda comfyui: comfyui.find("job-1"),
    "free": ComfyUI.free,
}


def redirect_to(url: str) -> Answer:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": url})

    return answer


@pytest.mark.parametrize(("part", "use"), USES.items(), ids=USES)
def test_a_redirect_is_not_followed(part: str, use: Callable[[ComfyUI], object]) -> None:
    other = Script()
    with serving(other) as elsewhere:
        script = Script(answers={part: redirect_to(f"{elsewhere}/{part}")})
        with serving(script) as url, pytest.raises(ComfyUIUnreachable, match="status 307"):
            use(connect(url))
    assert other.requests == []


def test_redirects_of_a_submission_and_of_an_image_are_not_followed() -> None:
    other = Script()
    with serving(other) as elsewhere:
        answers = {part: redirect_to(f"{elsewhere}/{part}") for part in ("prompt", "view")}
        with serving(Script(answers=answers)) as url:
            with pytest.raises(ComfyUIUnreachable):
                connect(url).submit("job-1", flat(), ["2"])
            with pytest.raises(ComfyUIUnreachable), connect(url).image(ImageFile(**IMAGE)):
                pass
    assert other.requests == []


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_an_answer_that_is_too_large_is_refused(coding: str) -> None:
    content = json.dumps({"exec_info": {"queue_remaining": 0}, "x": "x" * (9 * MEGABYTE)}).encode()

    async def answer(_request: web.Request) -> web.Response:
        body = gzip.compress(content) if coding == "gzip" else content
        headers = {"Content-Encoding": coding}
        return web.Response(body=body, headers=headers, content_type="application/json")

    script = Script(answers={"prompt": answer})
    with serving(script) as url, pytest.raises(ComfyUIUnreachable, match="too large"):
        connect(url).queue_length()


def test_a_large_queue_is_read() -> None:
    prompts = [[number, f"p-{number}", {"text": "x" * 70_000}] for number in range(100)]
    script = Script(queue={"queue_running": [], "queue_pending": prompts})
    with serving(script) as url:
        state: Any = connect(url).find("p-7")
    assert state.position == 8


def test_an_image_that_is_too_large_fails_its_job() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(65 * MEGABYTE)})
        await response.prepare(request)
        return response

    with (
        serving(Script(answers={"view": answer})) as url,
        pytest.raises(GenerationFailed) as failed,
        connect(url).image(ImageFile(**IMAGE)),
    ):
        pass
    assert failed.value.code == "no_image"


@pytest.mark.parametrize("pieces", [1, 10])
def test_a_message_that_is_too_large_only_closes_the_websocket(pieces: int) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        part = b"x" * (9 * MEGABYTE // pieces)
        for number in range(pieces):
            kind, is_last = (0x1 if number == 0 else 0x0), number == pieces - 1
            socket._writer._write(_frame(kind, part, is_last=is_last))  # type: ignore[union-attr]
        await socket.receive()

    with serving(Script(talk=talk)) as url, Events(url, "job-1") as events:
        assert events.next(5) is None
        assert not events.is_connected


def _frame(kind: int, content: bytes, *, is_last: bool) -> bytes:
    first = kind | (0x80 if is_last else 0)
    return bytes([first, 127]) + len(content).to_bytes(8, "big") + content


def test_errors_of_comfyui_are_short_enough_to_store_with_the_job() -> None:
    long = "x" * 10**6
    listed = {"input_config": [[long] * 50], "received_value": long, "input_name": "a"}
    fault = {"message": long, "details": long, "type": "value_not_in_list", "extra_info": listed}
    node = {"class_type": long, "errors": [fault]}
    refusals = [
        explained({"node_errors": {"1": node}}),
        explained({"node_errors": {"1": {**node, "errors": [{**fault, "type": "other"}]}}}),
        explained({"error": {"message": long, "details": long}}),
    ]
    failed_node = failure([("execution_error", {"exception_message": long, "node_type": long})])
    for text in (*(f"{each} {each.suggestion}" for each in refusals), failed_node.error):
        assert len(text) < 8_000

"""Dropping removes an attempt from ComfyUI, waiting or running, and nothing else."""

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from chalicelib.errors import ComfyUIUnreachable, WorkflowRejected
from chalicelib.gateways.comfyui.client import ComfyUI
from chalicelib.gateways.comfyui.state import Finished, Waiting
from tests.contracts.graphs import flat, picture
from tests.contracts.protocol import ComfyUI as Server
from tests.gateways.faulty import Script, serving
from tests.gateways.following import connect, follow_at, ticking
from tests.local.stand_in import CHECKPOINT, sampling

DROPPED, KEPT, HALF = (str(uuid4()) for _ in range(3))
OTHER = [0, "another", {}, {}, []]
OURS = [1, "job-1", {}, {}, []]


class Queue:
    """The queue of a ComfyUI that records requests to drop, and may lose interrupts."""

    def __init__(self, *, running: list[Any], pending: list[Any], lost: int = 0) -> None:
        self.running, self.pending, self.lost = running, pending, lost
        self.asked: list[tuple[str, Any]] = []
        self.script = Script(
            answers={"queue": self.queue, "interrupt": self.interrupt, "history": self.history}
        )

    async def queue(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            queue = {"queue_running": self.running, "queue_pending": self.pending}
            return web.json_response(queue)
        body = await self.note(request)
        self.pending = [item for item in self.pending if item[1] not in body["delete"]]
        return web.Response()

    async def interrupt(self, request: web.Request) -> web.Response:
        body = await self.note(request)
        if self.lost:
            self.lost -= 1
        else:
            self.running = [item for item in self.running if item[1] != body.get("prompt_id")]
        return web.Response()

    async def history(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def note(self, request: web.Request) -> Any:
        body = json.loads(await request.text())
        self.asked.append((request.path, body))
        return body


def drop(queue: Queue, **how: Any) -> bool:
    with serving(queue.script) as url:
        return connect(url, **how).drop("job-1")


def test_a_waiting_attempt_is_deleted_and_nothing_is_interrupted() -> None:
    queue = Queue(running=[OTHER], pending=[OURS, [2, "job-10", {}, {}, []]])
    assert drop(queue)
    assert queue.asked == [("/queue", {"delete": ["job-1"]})]
    assert (queue.running, [item[1] for item in queue.pending]) == ([OTHER], ["job-10"])


def test_a_running_attempt_is_interrupted_by_its_id() -> None:
    queue = Queue(running=[OURS], pending=[OTHER])
    assert drop(queue)
    assert queue.asked == [("/interrupt", {"prompt_id": "job-1"})]
    assert queue.pending == [OTHER]


def test_an_interrupt_that_was_lost_is_sent_again() -> None:
    queue = Queue(running=[OURS], pending=[], lost=2)
    assert drop(queue)
    assert queue.asked == [("/interrupt", {"prompt_id": "job-1"})] * 3


def test_an_attempt_that_starts_before_it_is_deleted_is_interrupted() -> None:
    queue = Queue(running=[OTHER], pending=[OURS])
    note = queue.note

    async def begin(request: web.Request) -> Any:
        if queue.pending:
            queue.running, queue.pending = [OURS], []
        return await note(request)

    queue.note = begin  # type: ignore[method-assign]
    assert drop(queue)
    assert [path for path, _ in queue.asked] == ["/queue", "/interrupt"]


def test_an_interrupt_is_sent_once_to_a_running_and_to_a_waiting_attempt() -> None:
    for running, pending in (([OURS], [OTHER]), ([OTHER], [OURS])):
        queue = Queue(running=running, pending=pending, lost=1)
        with serving(queue.script) as url:
            connect(url).interrupt("job-1")
        asked = [("/queue", {"delete": ["job-1"]}), ("/interrupt", {"prompt_id": "job-1"})]
        assert queue.asked == asked
        assert {request.method for request in queue.script.requests} == {"POST"}


def test_an_interrupt_reaches_an_attempt_that_starts_meanwhile() -> None:
    queue = Queue(running=[], pending=[OURS])
    note = queue.note

    async def begin(request: web.Request) -> Any:
        if queue.pending:
            queue.running, queue.pending = [OURS], []
        return await note(request)

    queue.note = begin  # type: ignore[method-assign]
    with serving(queue.script) as url:
        connect(url).interrupt("job-1")
    assert (queue.running, queue.pending) == ([], [])


def test_an_interrupt_waits_for_comfyuis_answer_for_a_second_only() -> None:
    async def hang(_request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    began = time.monotonic()
    with serving(Script(answers={"queue": hang})) as url, pytest.raises(ComfyUIUnreachable):
        connect(url).interrupt("job-1")
    assert time.monotonic() - began < 4  # the timeout of other requests is 5 s


def test_dropping_an_ended_or_unknown_attempt_changes_nothing() -> None:
    with serving(script := Script(ends_at_look=0)) as url:
        assert connect(url).drop("job-1")
        assert connect(url).drop("never")
    assert {request.method for request in script.requests} == {"GET"}


def test_dropping_gives_up_after_five_seconds_if_the_attempt_does_not_stop() -> None:
    queue = Queue(running=[OURS], pending=[], lost=10**6)
    assert not drop(queue, clock=ticking(1))
    assert 2 <= len(queue.asked) <= 20


def test_dropping_fails_if_comfyui_does_not_accept_it() -> None:
    async def fail(_request: web.Request) -> web.Response:
        return web.Response(status=500)

    for part in ("queue", "interrupt"):
        queue = Queue(running=[OURS], pending=[])
        queue.script.answers[part] = fail
        with pytest.raises(ComfyUIUnreachable):
            drop(queue)


def test_the_stand_in_drops_running_and_waiting_attempts(gateway: ComfyUI, server: Server) -> None:
    with server.listener() as listener:
        running = sampling(server, listener)
        gateway.submit(DROPPED, flat(), ["2"])
        gateway.submit(KEPT, flat(), ["2"])
        assert gateway.drop(DROPPED)
        assert gateway.find(DROPPED) is None
        assert gateway.find(KEPT) == Waiting(1, running)
        assert gateway.drop(running)
    state = gateway.find(running)
    assert isinstance(state, Finished)
    assert state.failure is not None
    assert state.failure.kind == "interrupted"
    assert follow_at(server.url, KEPT).images
    assert gateway.drop(KEPT)
    assert follow_at(server.url, KEPT).images


def test_freeing_memory_unloads_models_and_clears_caches(gateway: ComfyUI, server: Server) -> None:
    asked: list[Any] = []

    async def free(request: web.Request) -> web.Response:
        asked.append(json.loads(await request.text()))
        return web.Response()

    with serving(Script(answers={"free": free})) as url:
        connect(url).free()
    assert asked == [{"unload_models": True, "free_memory": True}]
    graph = picture(CHECKPOINT)
    assert server.run(graph).cached == set()
    assert server.run(graph).cached != set()
    gateway.free()
    # ComfyUI frees memory between two prompts: the next one may come first.
    assert set() in [server.run(graph).cached for _ in range(2)]


REFUSED = {
    "errors": [{"type": "required_input_missing", "message": "Required input is missing"}],
    "class_type": "SaveImage",
}


def test_a_partly_refused_graph_is_dropped_and_refused() -> None:
    queue = Queue(running=[], pending=[OURS])

    async def accept_half(request: web.Request) -> web.Response:
        return web.json_response({"prompt_id": "job-1", "node_errors": {"9": REFUSED}})

    queue.script.answers["prompt"] = accept_half
    with serving(queue.script) as url, pytest.raises(WorkflowRejected, match="SaveImage"):
        connect(url).submit("job-1", flat(), ["2"])
    assert queue.asked == [("/queue", {"delete": ["job-1"]})]


def test_the_stand_in_refuses_part_of_a_graph_as_comfyui_does(
    gateway: ComfyUI, server: Server
) -> None:
    graph = flat() | {"9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}
    with pytest.raises(WorkflowRejected, match="images"):
        gateway.submit(HALF, graph, ["2", "9"])
    assert not isinstance(gateway.find(HALF), Waiting)

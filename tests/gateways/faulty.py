"""A ComfyUI that answers as its script says, and remembers what it was asked."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[web.WebSocketResponse], Awaitable[None]]

IMAGE = {"filename": "a_00001_.png", "subfolder": "darkroom", "type": "output"}
ENTRY: dict[str, Any] = {
    "outputs": {"9": {"images": [IMAGE]}},
    "status": {"status_str": "success", "completed": True, "messages": []},
}


async def silence(socket: web.WebSocketResponse) -> None:
    """Say nothing for as long as the client stays."""
    await socket.receive()


@dataclass
class Script:
    """One attempt's fate; what is in `answers` is told instead of the usual, by first path part."""

    attempt_id: str = "job-1"
    talk: Talk = silence
    ends_at_look: int = 1  # the look at the history from which on the attempt is there
    entry: Any = field(default_factory=lambda: ENTRY)
    queue: Any = None
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[web.Request] = field(default_factory=list)

    def count(self, path: str) -> int:
        return sum(request.path.startswith(path) for request in list(self.requests))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        part = request.path.split("/")[1]
        return await self.answers.get(part, getattr(self, f"_{part}"))(request)

    async def _prompt(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"exec_info": {"queue_remaining": 1}, "prompt_id": "", "number": 0}
        )

    async def _queue(self, _request: web.Request) -> web.Response:
        is_over = self.count("/history") >= self.ends_at_look
        running = [] if is_over else [[0, self.attempt_id, {}, {}, []]]
        return web.json_response(self.queue or {"queue_running": running, "queue_pending": []})

    async def _history(self, _request: web.Request) -> web.Response:
        is_over = self.count("/history") >= self.ends_at_look
        return web.json_response({self.attempt_id: self.entry} if is_over else {})

    async def _view(self, _request: web.Request) -> web.Response:
        return web.Response(body=b"png")

    async def _ws(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await self.talk(socket)
        return socket


@contextmanager
def serving(script: Script) -> Iterator[str]:
    """Play a script on 127.0.0.1 until the block ends, and give the URL."""
    ready: Future[tuple[str, Callable[[], object]]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(script, ready)), daemon=True)
    thread.start()
    url, stop = ready.result(10)
    try:
        yield url
    finally:
        stop()
        thread.join()


async def _serve(script: Script, ready: Future[tuple[str, Callable[[], object]]]) -> None:
    runner = web.ServerRunner(web.Server(script.answer), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    host, port = runner.addresses[0][:2]
    ready.set_result((f"http://{host}:{port}", lambda: loop.call_soon_threadsafe(over.set)))
    await over.wait()
    await runner.cleanup()

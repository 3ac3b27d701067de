"""A ComfyUI that answers as its script says, and records the requests."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[web.WebSocketResponse], Awaitable[object]]

IMAGE = {"filename": "a_00001_.png", "subfolder": "darkroom", "type": "output"}
STATUS = {"status_str": "success", "completed": True, "messages": []}
ENTRY: dict[str, Any] = {"outputs": {"9": {"images": [IMAGE]}}, "status": STATUS}


@dataclass
class Script:
    """What happens to one attempt; `answers`, by the first part of the path, replace defaults."""

    attempt_id: str = "job-1"
    talk: Talk = web.WebSocketResponse.receive  # says nothing
    ends_at_look: int = 1  # the request of the history from which on it has the attempt
    entry: Any = field(default_factory=lambda: ENTRY)
    queue: dict[str, Any] | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[web.BaseRequest] = field(default_factory=list)

    def count(self, path: str) -> int:
        return sum(request.path.startswith(path) for request in list(self.requests))

    async def answer(self, request: Any) -> web.StreamResponse:
        self.requests.append(request)
        part = request.path.split("/")[1]
        if part in self.answers:
            return await self.answers[part](request)
        return await self._talk(request) if part == "ws" else web.json_response(self._default(part))

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await self.talk(socket)
        return socket

    def _default(self, part: str) -> Any:
        is_over = self.count("/history") >= self.ends_at_look
        running = [] if is_over else [[0, self.attempt_id, {}, {}, []]]
        return {
            "prompt": {"exec_info": {"queue_remaining": 1}},
            "queue": self.queue or {"queue_running": running, "queue_pending": []},
            "history": {self.attempt_id: self.entry} if is_over else {},
        }.get(part)


@contextmanager
def serving(script: Script) -> Iterator[str]:
    """Serve a script on 127.0.0.1 until the block ends; yield the URL."""
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
    url, over = "http://{}:{}".format(*runner.addresses[0][:2]), asyncio.Event()
    loop = asyncio.get_running_loop()
    ready.set_result((url, lambda: loop.call_soon_threadsafe(over.set)))
    await over.wait()
    await runner.cleanup()

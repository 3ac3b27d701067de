"""The real gateway to ComfyUI, over a connection that loses requests and messages."""

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Self

import requests

from chalicelib.gateways.comfyui.client import ComfyUI as Gateway
from chalicelib.workflows import TEXT_TO_IMAGE, load
from tests.faults.comfyui import ComfyUI, Message
from tests.faults.scheduler import Call, Outcome, Scheduler

_PATIENCE_SECONDS = 6


class Answer:
    """A response of ComfyUI, with the parts that the gateway reads."""

    def __init__(self, body: Any, status_code: int = 200) -> None:
        self.status_code = status_code
        self.raw = BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        self.headers = {"Content-Length": str(len(self.raw.getvalue()))}

    def __repr__(self) -> str:
        return f"{self.status_code} {self.raw.getvalue()!r}"

    def iter_content(self, chunk_size: int) -> Iterator[bytes]:
        return iter(lambda: self.raw.read(chunk_size), b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()


class Http:
    """The part of `requests.Session` that the gateway uses."""

    def __init__(self, scheduler: Scheduler, servers: dict[str, ComfyUI]) -> None:
        self._scheduler = scheduler
        self._servers = servers

    def request(self, method: str, url: str, **options: Any) -> Answer:
        host, _, path = url.removeprefix("http://").partition("/")
        server = self._servers[host]

        def effect() -> Answer:
            if not server.is_up:
                raise requests.ConnectionError
            return _answer(server, method, f"/{path}", options)

        what = options.get("json") or options.get("params") or {}
        detail = what.get("prompt_id") or what.get("filename") or what.get("delete") or ""
        at = f"{method} {url} {detail}".rstrip()
        return self._scheduler.call(
            at,
            effect,
            requests.ConnectionError,
            patience=_PATIENCE_SECONDS,
            about=Call(is_read=method == "GET"),
        )


def _answer(server: ComfyUI, method: str, path: str, options: dict[str, Any]) -> Answer:
    body = options.get("json") or {}
    if method == "GET" and path.startswith("/history/"):
        known = server.history.get(path.removeprefix("/history/"))
        return Answer({path.removeprefix("/history/"): known[1]} if known else {})
    if path == "/view":
        name = options["params"]["filename"]
        return Answer(name.encode()) if name in server.files else Answer(b"", 404)
    answers: dict[tuple[str, str], Callable[[], object]] = {
        ("GET", "/prompt"): lambda: {"exec_info": {"queue_remaining": _length(server)}},
        ("GET", "/system_stats"): lambda: {"system": {}, "devices": []},
        ("GET", "/queue"): lambda: _queue(server),
        ("POST", "/prompt"): lambda: server.queue(body["prompt_id"], _prefix(body["prompt"])),
        ("POST", "/queue"): lambda: [server.delete(each) for each in body["delete"]],
        ("POST", "/interrupt"): lambda: server.interrupt(body["prompt_id"]),
        ("POST", "/free"): lambda: None,
    }
    return Answer(answers[method, path]())


def _length(server: ComfyUI) -> int:
    return len(server.pending) + bool(server.running)


def _queue(server: ComfyUI) -> dict[str, Any]:
    running = [[0, server.running.attempt_id]] if server.running else []
    pending = [[index, each[0]] for index, each in enumerate(server.pending, 1)]
    return {"queue_running": running, "queue_pending": pending}


def _prefix(graph: dict[str, Any]) -> str:
    prefix: str = graph[load(TEXT_TO_IMAGE).output]["inputs"]["filename_prefix"]
    return prefix


class Events:
    """The websocket of one attempt; messages that it misses while it is broken are lost."""

    def __init__(self, scheduler: Scheduler, server: ComfyUI, attempt_id: str) -> None:
        self._scheduler = scheduler
        self._server = server
        self._attempt_id = attempt_id

    def __enter__(self) -> Self:
        self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.mailboxes.pop(self._attempt_id, None)

    @property
    def is_connected(self) -> bool:
        return self._attempt_id in self._server.mailboxes

    def renew(self) -> None:
        self._server.mailboxes.pop(self._attempt_id, None)
        self._connect()

    def next(self, timeout_seconds: float) -> Message | None:
        if not self.is_connected:
            self._connect()
        until = self._server.next_message_at() if self.is_connected else None
        at = f"listen {self._attempt_id}"
        breaks = Call((Outcome.FAILED, Outcome.CRASHED))
        outcome = self._scheduler.pause(timeout_seconds, at=at, until=until, call=breaks)
        if outcome is not Outcome.DONE:
            self._server.mailboxes.pop(self._attempt_id, None)
        mailbox = self._server.mailboxes.get(self._attempt_id)
        message = mailbox.pop(0) if mailbox else None
        if process := self._scheduler.running:
            process.learn(message)
        return message

    def _connect(self) -> None:
        if self._server.is_up:
            self._server.mailboxes.setdefault(self._attempt_id, [])


class WiredComfyUI(Gateway):
    """The gateway with a fake websocket, which closes when its process dies."""

    def __init__(self, url: str, http: Http, scheduler: Scheduler, server: ComfyUI) -> None:
        super().__init__(url, http, scheduler.clock)  # type: ignore[arg-type]
        self._scheduler = scheduler
        self._server = server

    def events(self, attempt_id: str) -> Events:  # type: ignore[override]
        return Events(self._scheduler, self._server, attempt_id)

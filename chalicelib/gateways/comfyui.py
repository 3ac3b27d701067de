"""ComfyUI over HTTP: submit, find, follow, drop, fetch. See its server.py and execution.py."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any, BinaryIO, Protocol, TypeVar, cast
from urllib.parse import quote

import requests

from chalicelib.errors import ComfyUIUnreachable
from chalicelib.gateways.comfyui_errors import rejection
from chalicelib.gateways.comfyui_events import Event, Events
from chalicelib.gateways.comfyui_state import (
    Finished,
    ImageFile,
    State,
    Waiting,
    finished,
    waiting,
)

Graph = dict[str, dict[str, Any]]
T = TypeVar("T")

_CONNECT_SECONDS = 1
_READ_SECONDS = 5.0
_READY_SECONDS = 2.0  # whoever asks whether it is ready wants to know now
_HISTORY_SECONDS = 1.0  # between two looks at the history, whatever the websocket says
_QUEUE_EVERY = 5  # looks between two looks at the queue, whose answer carries whole graphs

_RUNS = ("execution_start", "executing", "progress")

_DROP_LOOKS = 20
_DROP_SECONDS = 0.25  # between two looks at what is being dropped


class Report(Protocol):
    """What `follow` tells as it comes by."""

    def heard(self, progress: dict[str, Any] | None) -> None:
        """The attempt runs, and ComfyUI said so itself; how far it is, if it said that too."""

    def seen(self, position: int, *, is_listening: bool) -> None:
        """The attempt is in the queue, 0 runs; whether ComfyUI could have said so itself."""


class ComfyUI:
    """One ComfyUI server; every method raises ComfyUIUnreachable when it does not answer."""

    def __init__(self, url: str, http: requests.Session, clock: Callable[[], float]) -> None:
        self._url = url
        self._http = http
        self._clock = clock

    def queue_length(self) -> int:
        """Count the prompts that run or wait."""
        return self._read(
            "/prompt", lambda info: int(info["exec_info"]["queue_remaining"]), _READY_SECONDS
        )

    def submit(self, attempt_id: str, graph: Graph) -> None:
        """Queue a graph under our id; raise WorkflowRejected when it can never run.

        After ComfyUIUnreachable it may be queued or not: `find` it before doing it again.
        """
        body = {"prompt": graph, "prompt_id": attempt_id, "client_id": attempt_id}
        answer = self._call("POST", "/prompt", json=body)
        content = _body(answer)
        if answer.status_code == requests.codes.bad_request:
            raise rejection(content)
        self._expect(answer, requests.codes.ok)
        if isinstance(content, dict) and content.get("node_errors"):
            # It runs what is left of the graph, without the outputs that it refused.
            self.drop(attempt_id)
            raise rejection(content)

    def find(self, attempt_id: str, seconds: float = _READ_SECONDS) -> State:
        """Tell what ComfyUI knows of an attempt; None if nothing: it is lost."""
        # This order leaves no gap: an item moves from the queue to the history in one step.
        return self._in_queue(attempt_id, seconds) or self._in_history(attempt_id, seconds)

    def is_sick(self, attempt_id: str) -> bool:
        """Tell whether an attempt that went wrong still shows that ComfyUI cannot work.

        Either its run never ends, or it broke the GPU; a ComfyUI that was started anew knows
        neither.
        """
        state = self.find(attempt_id)
        if isinstance(state, Finished):
            return bool(state.failure and state.failure.kind == "gpu_failed")
        return state is not None

    def drop(self, attempt_id: str) -> bool:
        """Take an attempt out of the queue, or stop its run; tell whether it is gone.

        An interrupt is lost when it comes between the queue and the start of the run, so that
        it is looked at again.
        """
        for _ in range(_DROP_LOOKS):
            state = self.find(attempt_id)
            if not isinstance(state, Waiting):
                return True
            if state.position:
                self._post("/queue", {"delete": [attempt_id]})
            else:
                self._post("/interrupt", {"prompt_id": attempt_id})
            sleep(_DROP_SECONDS)
        return False

    def free(self) -> None:
        """Have models and caches put out of the GPU's memory, after the current run."""
        self._post("/free", {"unload_models": True, "free_memory": True})

    def events(self, attempt_id: str) -> Events:
        """Listen to an attempt; to be entered before `submit`, as nothing is replayed."""
        return Events(self._url, attempt_id)

    def follow(self, attempt_id: str, events: Events, *, until: float, report: Report) -> State:
        """Wait for the end of an attempt; return what is known when `until` has come."""
        watch = _Watch(self._clock)
        while True:
            left = max(until - self._clock(), 0)
            event = events.next(min(_HISTORY_SECONDS, left))
            if event and event[0] in _RUNS and not _is_end(event):
                report.heard(_progress(event))
            # A ComfyUI that stalls must not hold a caller long past `until`.
            seconds = min(_READ_SECONDS, left + 1)
            if watch.is_due(ended=bool(event and _is_end(event))):
                look = self.find if watch.is_thorough else self._in_history
                state = look(attempt_id, seconds)
                if isinstance(state, Waiting):
                    report.seen(state.position, is_listening=events.is_connected)
                elif state or watch.is_thorough:
                    return state
            if self._clock() >= until:
                return self.find(attempt_id, seconds)

    @contextmanager
    def image(self, file: ImageFile) -> Iterator[tuple[BinaryIO, int] | None]:
        """Stream an image: its bytes and their number; None when ComfyUI no longer has it."""
        where = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        with self._call("GET", "/view", params=where, stream=True) as answer:
            if answer.status_code == requests.codes.not_found:
                yield None
                return
            self._expect(answer, requests.codes.ok)
            yield cast(BinaryIO, answer.raw), int(answer.headers["Content-Length"])

    def _in_queue(self, attempt_id: str, seconds: float) -> Waiting | None:
        return self._read("/queue", lambda queue: waiting(attempt_id, queue), seconds)

    def _in_history(self, attempt_id: str, seconds: float) -> Finished | None:
        path = f"/history/{quote(attempt_id, safe='')}"
        return self._read(path, lambda known: finished(attempt_id, known), seconds)

    def _read(self, path: str, read: Callable[[Any], T], seconds: float = _READ_SECONDS) -> T:
        answer = self._call("GET", path, seconds=seconds)
        self._expect(answer, requests.codes.ok)
        try:
            return read(answer.json())
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ComfyUIUnreachable("what answers there is not ComfyUI") from error

    def _call(
        self, method: str, path: str, *, seconds: float = _READ_SECONDS, **options: Any
    ) -> requests.Response:
        timeout = (_CONNECT_SECONDS, seconds)
        try:
            return self._http.request(method, f"{self._url}{path}", timeout=timeout, **options)
        except requests.RequestException as error:
            raise ComfyUIUnreachable("ComfyUI did not answer") from error

    def _post(self, path: str, body: dict[str, Any]) -> None:
        self._expect(self._call("POST", path, json=body), requests.codes.ok)

    def _expect(self, answer: requests.Response, status: int) -> None:
        if answer.status_code != status:
            raise ComfyUIUnreachable(f"ComfyUI answered with status {answer.status_code}")


def _body(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


class _Watch:
    """Says when to look at the history: at the end, and regularly lest the end was missed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looks = 0
        self._looked_at = clock()

    def is_due(self, *, ended: bool) -> bool:
        if not ended and self._clock() - self._looked_at < _HISTORY_SECONDS:
            return False
        self._looks += 1
        self._looked_at = self._clock()
        return True

    @property
    def is_thorough(self) -> bool:
        return self._looks % _QUEUE_EVERY == 0


def _is_end(event: Event) -> bool:
    # History is written between `execution_success` and this last message (protocol notes §5).
    return event[0] == "executing" and event[1].get("node") is None


def _progress(event: Event) -> dict[str, Any] | None:
    name, data = event
    if name == "progress":
        return {"value": data.get("value"), "max": data.get("max"), "node": data.get("node")}
    if name == "executing":  # a node has begun, as ComfyUI's own `progress_state` puts it
        return {"value": 0, "max": 1, "node": data.get("node")}
    return None

"""ComfyUI over HTTP: attempts and their images. See ComfyUI's server.py and execution.py."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import sleep
from typing import Any, BinaryIO, NamedTuple, TypeVar, cast
from urllib.parse import quote

import requests
from urllib3.exceptions import HTTPError

from chalicelib.errors import ComfyUIUnreachable, GenerationFailed
from chalicelib.gateways.comfyui.choices import choices_of
from chalicelib.gateways.comfyui.errors import rejection
from chalicelib.gateways.comfyui.events import Events
from chalicelib.gateways.comfyui.state import (
    Finished,
    Graph,
    ImageFile,
    Software,
    State,
    Waiting,
    finished,
    software,
    waiting,
)
from chalicelib.gateways.comfyui.watch import (
    LOOK_SECONDS,
    Report,
    Watch,
    is_end,
    is_of_execution,
    progress,
)

T = TypeVar("T")

_CONNECT_SECONDS = 1
_READ_SECONDS = 5.0
_READY_SECONDS = 2.0  # what is asked beside the work, such as readiness, must not wait long

# The largest JSON response: the queue contains the graphs of all prompts.
_ANSWER_BYTES = 8 * 1024 * 1024
# 2048 x 2048 pixels with four channels of 16 bits have 34 MB before compression.
IMAGE_BYTES = 64 * 1024 * 1024
_PART_BYTES = 64 * 1024

_INTERRUPT_SECONDS = 1.0  # a caller waits, and a follower looks whether the attempt has stopped
_DROP_SECONDS = 5.0
_DROP_LOOK_SECONDS = 0.25  # between two checks of an attempt that is dropped


class Answer(NamedTuple):
    """A response of ComfyUI, read completely."""

    status_code: int
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


class ComfyUI:
    """One ComfyUI server; every method raises ComfyUIUnreachable when it does not answer."""

    def __init__(self, url: str, http: requests.Session, clock: Callable[[], float]) -> None:
        self._url = url
        self._http = http
        self._clock = clock

    def queue_length(self) -> int:
        """Return the number of prompts that run or wait."""
        return self._read(
            "/prompt", lambda info: int(info["exec_info"]["queue_remaining"]), _READY_SECONDS
        )

    def software(self) -> Software:
        """Return the server's versions and device."""
        return self._read("/system_stats", software, _READY_SECONDS)

    def submit(self, attempt_id: str, graph: Graph, outputs: Sequence[str]) -> None:
        """Queue a graph under the attempt's id; raise WorkflowRejected when ComfyUI refuses it.

        Of its output nodes only `outputs` are executed, with what they depend on.
        After ComfyUIUnreachable it may be queued or not: call `find` before submitting again.
        """
        ids = {"prompt_id": attempt_id, "client_id": attempt_id}
        body = {"prompt": graph, "partial_execution_targets": [*outputs], **ids}
        answer = self._call("POST", "/prompt", json=body)
        content = _body(answer)
        if answer.status_code == requests.codes.bad_request:
            raise rejection(content, self._choices)
        self._expect(answer, requests.codes.ok)
        if isinstance(content, dict) and content.get("node_errors"):
            # ComfyUI has queued the rest of the graph, without the outputs that it refused.
            self.drop(attempt_id)
            raise rejection(content, self._choices)

    def find(self, attempt_id: str, seconds: float = _READ_SECONDS) -> State:
        """Return the state of an attempt; None if ComfyUI does not know it: then it is lost."""
        # In this order nothing is missed: an item moves from queue to history in one step.
        return self._in_queue(attempt_id, seconds) or self._in_history(attempt_id, seconds)

    def is_unhealthy(self, attempt_id: str) -> bool:
        """Return whether an attempt that went wrong still shows that ComfyUI does not work.

        Either its execution does not end, or it broke the GPU. A ComfyUI that was restarted does
        not know the attempt.
        """
        state = self.find(attempt_id)
        if isinstance(state, Finished):
            return bool(state.failure and state.failure.kind == "gpu_failed")
        return state is not None

    def interrupt(self, attempt_id: str) -> None:
        """Have ComfyUI remove an attempt from its queue or stop it; do not look whether it does."""
        # In this order an attempt that starts meanwhile is stopped, too.
        self._post("/queue", {"delete": [attempt_id]}, _INTERRUPT_SECONDS)
        self._post("/interrupt", {"prompt_id": attempt_id}, _INTERRUPT_SECONDS)

    def drop(self, attempt_id: str) -> bool:
        """Remove an attempt from the queue, or stop its execution; return whether it is gone.

        ComfyUI loses an interrupt that comes after the queue and before the execution, so the
        attempt is checked again.
        """
        until = self._clock() + _DROP_SECONDS
        while True:
            state = self.find(attempt_id)
            if not isinstance(state, Waiting):
                return True
            if self._clock() >= until:
                return False
            if state.position:
                self._post("/queue", {"delete": [attempt_id]})
            else:
                self._post("/interrupt", {"prompt_id": attempt_id})
            sleep(_DROP_LOOK_SECONDS)

    def free(self) -> None:
        """Unload models and caches from the GPU's memory after the current execution."""
        self._post("/free", {"unload_models": True, "free_memory": True})

    def events(self, attempt_id: str) -> Events:
        """Return an attempt's messages; enter this before `submit`, as ComfyUI replays nothing."""
        return Events(self._url, attempt_id)

    def follow(self, attempt_id: str, events: Events, *, until: float, report: Report) -> State:
        """Wait for an attempt to end, at most until `until`; return its state."""
        watch = Watch(self._clock)
        while True:
            left = max(until - self._clock(), 0)
            event = events.next(min(LOOK_SECONDS, left))
            if event and is_of_execution(event):
                watch.hear()
                report.heard(progress(event))
            # A ComfyUI that hangs must not hold a caller long past `until`.
            seconds = min(_READ_SECONDS, left + 1)
            if watch.is_due(ended=bool(event and is_end(event))):
                look = self.find if watch.is_thorough else self._in_history
                state = look(attempt_id, seconds)
                if isinstance(state, Waiting):
                    report.seen(state, is_listening=events.is_connected)
                    if not state.position and watch.is_deaf():
                        events.renew()
                elif state or watch.is_thorough:
                    return state
            if self._clock() >= until:
                return self.find(attempt_id, seconds)

    @contextmanager
    def image(self, file: ImageFile) -> Iterator[tuple[BinaryIO, int] | None]:
        """Stream an image: yield its bytes and their number, or None if ComfyUI has lost it.

        Raise ComfyUIUnreachable if it does not answer or breaks off, GenerationFailed if the image
        is too large.
        """
        where = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        plain = {"Accept-Encoding": "identity"}
        with self._open("GET", "/view", params=where, headers=plain) as answer:
            if answer.status_code == requests.codes.not_found:
                yield None
                return
            self._expect(answer, requests.codes.ok)
            size = answer.headers.get("Content-Length", "")
            if not size.isdigit():
                raise ComfyUIUnreachable("ComfyUI did not say how large the image is")
            if int(size) > IMAGE_BYTES:
                raise GenerationFailed(
                    f"the image has {int(size):,} bytes; at most {IMAGE_BYTES:,} are stored",
                    code="no_image",
                    suggestion="Ask for a smaller image",
                )
            try:
                yield cast(BinaryIO, answer.raw), int(size)
            except HTTPError as error:
                raise ComfyUIUnreachable("ComfyUI did not send the whole image") from error

    def _choices(self, class_type: str, name: str) -> list[Any]:
        path = f"/object_info/{quote(class_type, safe='')}"
        try:
            return self._read(path, partial(choices_of, class_type, name), _READY_SECONDS)
        except ComfyUIUnreachable:
            return []  # a refusal without them is better than none

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
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ComfyUIUnreachable("the server at ComfyUI's address is not ComfyUI") from error

    def _call(
        self, method: str, path: str, *, seconds: float = _READ_SECONDS, **options: Any
    ) -> Answer:
        """Send a request and read its response up to a limit; follow no redirect."""
        with self._open(method, path, seconds=seconds, **options) as answer:
            try:
                content = b""
                for part in answer.iter_content(_PART_BYTES):
                    content += part
                    if len(content) > _ANSWER_BYTES:
                        raise ComfyUIUnreachable("ComfyUI's answer is too large")
            except requests.RequestException as error:
                raise ComfyUIUnreachable("ComfyUI did not answer") from error
            return Answer(answer.status_code, content)

    def _open(
        self, method: str, path: str, *, seconds: float = _READ_SECONDS, **options: Any
    ) -> requests.Response:
        timeout = (_CONNECT_SECONDS, seconds)
        how: dict[str, Any] = {"timeout": timeout, "allow_redirects": False, "stream": True}
        try:
            return self._http.request(method, f"{self._url}{path}", **how, **options)
        except requests.RequestException as error:
            raise ComfyUIUnreachable("ComfyUI did not answer") from error

    def _post(self, path: str, body: dict[str, Any], seconds: float = _READ_SECONDS) -> None:
        self._expect(self._call("POST", path, seconds=seconds, json=body), requests.codes.ok)

    def _expect(self, answer: Answer | requests.Response, status: int) -> None:
        if answer.status_code != status:
            raise ComfyUIUnreachable(f"ComfyUI answered with status {answer.status_code}")


def _body(answer: Answer) -> Any:
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None

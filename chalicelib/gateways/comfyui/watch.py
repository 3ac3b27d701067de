"""Watching an execution: what its messages mean, and when to read the history anyway."""

from collections.abc import Callable
from typing import Any, Protocol

from chalicelib.gateways.comfyui.events import Event
from chalicelib.gateways.comfyui.state import Waiting

LOOK_SECONDS = 1.0  # between two reads of the history, whatever the websocket says
_QUEUE_EVERY = 5  # the queue, with its whole graphs, is read at every fifth look only
_DEAF_SECONDS = 20.0

_RUNS = ("execution_start", "executing", "progress")


class Report(Protocol):
    """Receives what `follow` learns about an attempt."""

    def heard(self, progress: dict[str, Any] | None) -> None:
        """ComfyUI sent a message that the attempt runs, with its progress or None."""

    def seen(self, state: Waiting, *, is_listening: bool) -> None:
        """The attempt is in the queue; `is_listening` says whether a socket is open."""


class Watch:
    """Says when to read the history: at the end, and regularly in case the end was missed.

    It also says when to reconnect. A dead driver's socket has the same client id; when it closes
    late, the new socket stays open but receives nothing more (docs/comfyui.md).
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looks = 0
        self._looked_at = clock()
        self._heard_at = clock()

    def hear(self) -> None:
        self._heard_at = self._clock()

    def is_deaf(self) -> bool:
        """Return whether no message came for 20 seconds; if so, restart the count."""
        if self._clock() - self._heard_at < _DEAF_SECONDS:
            return False
        self.hear()
        return True

    def is_due(self, *, ended: bool) -> bool:
        if not ended and self._clock() - self._looked_at < LOOK_SECONDS:
            return False
        self._looks += 1
        self._looked_at = self._clock()
        return True

    @property
    def is_thorough(self) -> bool:
        return self._looks % _QUEUE_EVERY == 0


def is_of_execution(event: Event) -> bool:
    """Return whether a message shows that the execution goes on.

    The first message of a new socket names a node, too, but no prompt, and shows nothing.
    """
    return event[0] in _RUNS and "prompt_id" in event[1] and not is_end(event)


def is_end(event: Event) -> bool:
    """Return whether the execution has ended and its history is written."""
    # History is written between `execution_success` and this last message (docs/comfyui.md).
    return event[0] == "executing" and event[1].get("node") is None


def progress(event: Event) -> dict[str, Any] | None:
    """Return the progress in a message, or None."""
    name, data = event
    if name == "progress":
        return {"value": data.get("value"), "max": data.get("max"), "node": data.get("node")}
    if name == "executing":  # a node has begun; `progress_state` has the same values for it
        return {"value": 0, "max": 1, "node": data.get("node")}
    return None

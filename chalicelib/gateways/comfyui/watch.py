"""Watching a run: what its messages mean, and when to look at the history in spite of them."""

from collections.abc import Callable
from typing import Any, Protocol

from chalicelib.gateways.comfyui.events import Event
from chalicelib.gateways.comfyui.state import Waiting

LOOK_SECONDS = 1.0  # between two looks at the history, whatever the websocket says
_QUEUE_EVERY = 5  # looks between two looks at the queue, whose answer carries whole graphs
_DEAF_SECONDS = 20.0

_RUNS = ("execution_start", "executing", "progress")


class Report(Protocol):
    """What `follow` tells as it comes by."""

    def heard(self, progress: dict[str, Any] | None) -> None:
        """The attempt runs, and ComfyUI said so itself; how far it is, if it said that too."""

    def seen(self, state: Waiting, *, is_listening: bool) -> None:
        """The attempt is in the queue; whether ComfyUI could have said that it runs itself."""


class Watch:
    """Says when to look at the history: at the end, and regularly lest the end was missed.

    And when to listen anew: a dead driver's socket that closes late cuts ours off, as both have
    the attempt's client id, and ours stays open (docs/comfyui.md).
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looks = 0
        self._looked_at = clock()
        self._heard_at = clock()

    def hear(self) -> None:
        self._heard_at = self._clock()

    def is_deaf(self) -> bool:
        """Tell, once, when a run was not heard of for long."""
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
    """Tell whether the run goes on.

    The greeting of a new socket names a node too, but no prompt, and says nothing of life.
    """
    return event[0] in _RUNS and "prompt_id" in event[1] and not is_end(event)


def is_end(event: Event) -> bool:
    """Tell whether the run is over and its history written."""
    # History is written between `execution_success` and this last message (docs/comfyui.md).
    return event[0] == "executing" and event[1].get("node") is None


def progress(event: Event) -> dict[str, Any] | None:
    """Return how far the run is, if the message says so."""
    name, data = event
    if name == "progress":
        return {"value": data.get("value"), "max": data.get("max"), "node": data.get("node")}
    if name == "executing":  # a node has begun, as ComfyUI's own `progress_state` puts it
        return {"value": 0, "max": 1, "node": data.get("node")}
    return None

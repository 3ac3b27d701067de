"""Messages about the execution of one prompt, to websocket clients and for the history."""

import time
from collections.abc import Callable
from typing import Any

Send = Callable[[str, dict[str, Any], Any], None]


class Announcer:
    """Sends ComfyUI's messages about one prompt, to the clients that ComfyUI sends them to."""

    def __init__(self, prompt_id: str, client_id: object, send: Send) -> None:
        self.history: list[tuple[str, dict[str, Any]]] = []
        self._prompt_id = prompt_id
        self._client_id = client_id
        self._send = send
        self._nodes: dict[str, dict[str, Any]] = {}

    def status(self, event: str, *, is_for_everyone: bool = False, **data: object) -> None:
        """Send a message that the history keeps."""
        timestamp = int(time.time() * 1000)
        message = {"prompt_id": self._prompt_id, **data, "timestamp": timestamp}
        self.history.append((event, message))
        self._tell(event, message, is_for_everyone=is_for_everyone)

    def node_started(self, node_id: str) -> None:
        """Announce that a node runs now."""
        self._progress(node_id, 0.0, 1.0, "running")
        self._tell("executing", {"node": node_id, "display_node": node_id, **self._about})

    def step(self, node_id: str, value: int, maximum: int) -> None:
        """Announce a node's progress; without a client id the message goes to all clients."""
        self._progress(node_id, value, maximum, "running")
        message = {"value": value, "max": maximum, **self._about, "node": node_id}
        self._tell("progress", message, is_for_everyone=True)

    def node_presented(self, node_id: str, output: dict[str, Any] | None) -> None:
        """Announce the images that a node made."""
        message = {"node": node_id, "display_node": node_id, "output": output, **self._about}
        self._tell("executed", message)

    def node_finished(self, node_id: str) -> None:
        """Announce that a node has finished, or was cached."""
        maximum = self._nodes.get(node_id, {"max": 1})["max"]
        self._progress(node_id, maximum, maximum, "finished")

    def end(self) -> None:
        """Announce that the execution has ended, successful or not."""
        self._tell("executing", {"node": None, **self._about})

    @property
    def _about(self) -> dict[str, str]:
        return {"prompt_id": self._prompt_id}

    def _progress(self, node_id: str, value: float, maximum: float, state: str) -> None:
        self._nodes[node_id] = {
            "value": value,
            "max": maximum,
            "state": state,
            "node_id": node_id,
            **self._about,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }
        message = {**self._about, "nodes": dict(self._nodes)}
        self._tell("progress_state", message, is_for_everyone=True)

    def _tell(self, event: str, message: dict[str, Any], *, is_for_everyone: bool = False) -> None:
        if self._client_id is not None or is_for_everyone:
            self._send(event, message, self._client_id)

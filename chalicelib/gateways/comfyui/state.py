"""The state of a prompt in ComfyUI, read from its responses."""

from typing import Any, Literal

from msgspec import Struct

from chalicelib.gateways.comfyui.errors import Failure, failure

Graph = dict[str, dict[str, Any]]

_LONGEST_TEXT = 200


class ImageFile(Struct, frozen=True):
    """Where ComfyUI keeps an image that it saved."""

    filename: str
    subfolder: str
    type: str


class Software(Struct, frozen=True):
    """A server's versions and device; None is not known."""

    comfyui: str | None
    pytorch: str | None
    device: str | None


class Waiting(Struct, frozen=True):
    """A prompt in the queue: `position` 0 runs, 1 is next. `running` is the id that runs."""

    position: int
    running: str | None = None
    is_finished: Literal[False] = False


class Finished(Struct, frozen=True):
    """A prompt that has ended: its images by node, why it failed if it did, and its GPU time.

    `ended_at` is by ComfyUI's clock; `graph` is the graph that ComfyUI executed.
    """

    images: dict[str, list[ImageFile]]
    failure: Failure | None = None
    execution_seconds: float | None = None
    ended_at: float | None = None
    graph: Graph | None = None
    is_finished: Literal[True] = True


State = Waiting | Finished | None


def waiting(attempt_id: str, queue: dict[str, Any]) -> Waiting | None:
    """Find an attempt in a response of GET /queue."""
    running = [str(item[1]) for item in queue["queue_running"]]
    if attempt_id in running:
        return Waiting(0, attempt_id)
    # Pending items are in heap order; they run in the order of (number, prompt id).
    order = sorted((item[0], item[1]) for item in queue["queue_pending"])
    ids = [prompt_id for _, prompt_id in order]
    if attempt_id not in ids:
        return None
    return Waiting(ids.index(attempt_id) + 1, next(iter(running), None))


def finished(attempt_id: str, history: dict[str, Any]) -> Finished | None:
    """Find an attempt in a response of GET /history/{prompt_id}."""
    entry = history.get(attempt_id)
    if entry is None:
        return None
    images = {
        node_id: [
            ImageFile(each["filename"], each.get("subfolder", ""), each.get("type", "output"))
            for each in output.get("images", [])
        ]
        for node_id, output in entry.get("outputs", {}).items()
    }
    status = entry.get("status") or {}
    messages = [(each[0], each[1]) for each in status.get("messages") or ()]
    why = None if status.get("status_str") == "success" else failure(messages)
    times = [data["timestamp"] for _, data in messages if "timestamp" in data]
    return Finished(
        images,
        why,
        execution_seconds=(max(times) - min(times)) / 1000 if times else None,
        ended_at=max(times) / 1000 if times else None,
        graph=_graph(entry.get("prompt")),
    )


def software(stats: dict[str, Any]) -> Software:
    """Read a response of GET /system_stats, whose other parts reveal addresses and paths."""
    system, devices = stats["system"], stats["devices"]
    return Software(
        _text(system.get("comfyui_version")),
        _text(system.get("pytorch_version")),
        _text(devices[0].get("name")) if devices else None,
    )


def _graph(prompt: object) -> Graph | None:
    match prompt:
        case [_, _, dict() as graph, *_]:
            return graph
    return None


def _text(value: object) -> str | None:
    return value[:_LONGEST_TEXT] if isinstance(value, str) else None

"""What ComfyUI knows of a prompt, as values."""

from typing import Any, Literal

from msgspec import Struct

from chalicelib.gateways.comfyui_errors import Failure, failure


class ImageFile(Struct, frozen=True):
    """Where ComfyUI keeps an image that it saved."""

    filename: str
    subfolder: str
    type: str


class Waiting(Struct, frozen=True):
    """Known to ComfyUI and not finished: `position` 0 runs, 1 is next."""

    position: int
    progress: dict[str, Any] | None = None
    is_finished: Literal[False] = False


class Finished(Struct, frozen=True):
    """Ended: the images by node, and why it failed if it did."""

    images: dict[str, list[ImageFile]]
    failure: Failure | None = None
    is_finished: Literal[True] = True


State = Waiting | Finished | None


def finished(entry: dict[str, Any]) -> Finished:
    """Read an entry of the history."""
    images = {
        node_id: [
            ImageFile(each["filename"], each.get("subfolder", ""), each.get("type", "output"))
            for each in output.get("images", [])
        ]
        for node_id, output in entry.get("outputs", {}).items()
    }
    status = entry.get("status") or {}
    if status.get("status_str") == "success":
        return Finished(images)
    return Finished(images, failure([(each[0], each[1]) for each in status["messages"]]))

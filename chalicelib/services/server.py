"""A GPU instance whose ComfyUI answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chalicelib.config import config
from chalicelib.services.instance_state import STARTING

if TYPE_CHECKING:
    from chalicelib.gateways.comfyui import ComfyUI
    from chalicelib.gateways.gpu_fleet import Instance
    from chalicelib.models.instance import InstanceRecord


class Server(NamedTuple):
    """An instance whose ComfyUI answers, how much it has to do, and what we know of it."""

    instance: Instance
    comfyui: ComfyUI
    queue_length: int
    record: InstanceRecord
    is_sick: bool = False
    is_draining: bool = False
    is_ready: bool = True

    @property
    def serves(self) -> bool:
        return self.is_ready and not (self.is_sick or self.is_draining)

    @property
    def free_seats(self) -> int:
        return max(config.gpu_seats - len(self.record.seated), 0)


class Seen(NamedTuple):
    """An instance as it is now; `server` is None when its ComfyUI is silent, or it is off."""

    instance: Instance
    record: InstanceRecord
    server: Server | None
    state: str

    @property
    def is_on(self) -> bool:
        """Whether it is paid for: also one that was just started, which EC2 tells later."""
        return self.instance.state in ("running", "pending") or self.state == STARTING

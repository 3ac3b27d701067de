"""Messages to workers: an instance may have a free slot, or a GPU has to be started.

Jobs that wait have no messages: followers take them from the queue.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.signals import QueueUnavailable

if TYPE_CHECKING:
    from chalicelib.gateways.sqs import MessageQueue

log = logging.getLogger("darkroom.messages")

_START = "start"
_CHECK = "check"


class Message(Struct, frozen=True):
    """What a worker should look at: an instance, or None for the whole fleet.

    `is_check` says that there is probably nothing to do: who looks and finds nothing leaves no
    further message.
    """

    instance_id: str | None
    is_check: bool = False

    @classmethod
    def read(cls, body: str) -> Message:
        name, _, kind = body.partition(" ")
        return cls(None if name == _START else name, is_check=kind == _CHECK)

    @property
    def body(self) -> str:
        name = self.instance_id or _START
        return f"{name} {_CHECK}" if self.is_check else name


class Messages:
    """Sends messages. If SQS does not accept one, the reconciler sends it within a minute."""

    def __init__(self, queue: MessageQueue, clock: Callable[[], float]) -> None:
        self._queue = queue
        self._clock = clock

    def follow(self, instance_id: str, *, at: float = 0) -> None:
        """Have a worker follow an instance at a time, unless another one does."""
        self._send(Message(instance_id), at)

    def check(self, instance_id: str, *, at: float) -> None:
        """Have a worker look at a time whether an instance still has a follower or needs none."""
        self._send(Message(instance_id, is_check=True), at)

    def start(self, *, at: float = 0, is_check: bool = False) -> None:
        """Have a worker start an instance at a time, if jobs wait for one."""
        self._send(Message(None, is_check=is_check), at)

    def _send(self, message: Message, at: float) -> None:
        delay_seconds = ceil(max(at - self._clock(), 0))
        try:
            self._queue.send(message.body, delay_seconds=delay_seconds)
        except QueueUnavailable:
            log.exception("a message could not be sent: %s", message.body)

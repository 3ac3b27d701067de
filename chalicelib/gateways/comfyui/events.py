"""ComfyUI's websocket, for progress and early notice; the history is authoritative."""

import json
from contextlib import suppress
from time import sleep
from typing import Any, Self
from urllib.parse import quote

from websocket import (
    ABNF,
    WebSocket,
    WebSocketException,
    WebSocketTimeoutException,
    frame_buffer,
)
from websocket import create_connection as connect

Event = tuple[str, dict[str, Any]]

_CONNECT_SECONDS = 2
_MESSAGE_BYTES = 8 * 1024 * 1024


class _Frames(frame_buffer):
    """Refuses a message that is too large while its frames arrive."""

    _bytes = 0

    def recv_length(self) -> None:
        super().recv_length()
        self._bytes += self.length or 0
        if self._bytes > _MESSAGE_BYTES:
            raise WebSocketException("the message is too large")
        if self.header and self.header[0]:  # the last frame of a message
            self._bytes = 0


class _Socket(WebSocket):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.frame_buffer = _Frames(self._recv, skip_utf8_validation=False)


class Events:
    """Messages of one attempt. With a broken socket `next` waits and returns None."""

    def __init__(self, url: str, attempt_id: str) -> None:
        scheme_and_rest = url.partition("http")[2]
        # ComfyUI sends messages to the client id of the submission. That is the attempt's id, so
        # a driver that follows the attempt later receives them, too.
        self._url = f"ws{scheme_and_rest}/ws?clientId={quote(attempt_id, safe='')}"
        self._attempt_id = attempt_id
        self._socket: WebSocket | None = None
        self._breaks = 0

    def __enter__(self) -> Self:
        self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def is_connected(self) -> bool:
        """Whether a socket is open on which ComfyUI may send messages."""
        return self._socket is not None

    def renew(self) -> None:
        """Reconnect, so that ComfyUI sends to this socket."""
        self._close()
        self._connect()

    def next(self, timeout_seconds: float) -> Event | None:
        """Return the attempt's next message; None if none comes in time."""
        if self._socket is None and not self._connect():
            sleep(timeout_seconds)
            return None
        try:
            return self._receive(timeout_seconds)
        except WebSocketTimeoutException:
            return None
        except (WebSocketException, OSError):
            self._close()
            self._breaks += 1
            if self._breaks > 1:  # do not reconnect in a tight loop
                sleep(timeout_seconds)
            return None

    def _receive(self, timeout_seconds: float) -> Event | None:
        if self._socket is None:
            return None
        self._socket.settimeout(max(timeout_seconds, 0.001))
        opcode, data = self._socket.recv_data()
        if opcode == ABNF.OPCODE_CLOSE:
            raise ConnectionResetError
        return self._ours(data) if opcode == ABNF.OPCODE_TEXT else None

    def _ours(self, data: bytes) -> Event | None:
        try:
            message = json.loads(data)
            content = message.get("data") or {}
            # `executing` has no prompt id right after a reconnection (docs/comfyui.md).
            if content.get("prompt_id", self._attempt_id) != self._attempt_id:
                return "other", {}
            return str(message.get("type")), content
        except (ValueError, AttributeError):
            return "other", {}

    def _connect(self) -> bool:
        with suppress(WebSocketException, OSError):
            # ComfyUI refuses a foreign Origin with 403, but accepts a request without one.
            self._socket = connect(
                self._url,
                timeout=_CONNECT_SECONDS,
                class_=_Socket,
                suppress_origin=True,
                skip_utf8_validation=True,  # it is slow in Python; `json` refuses most of the rest
                http_no_proxy=["*"],  # else the library reads a proxy from the environment
            )
        return self._socket is not None

    def _close(self) -> None:
        if self._socket is not None:
            with suppress(WebSocketException, OSError):
                self._socket.close(timeout=0)
            self._socket = None

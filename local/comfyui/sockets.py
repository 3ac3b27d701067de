"""The websocket clients, and the messages to them."""

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

MAX_BODY_BYTES = 100 * 2**20
FEATURES = {
    "supports_preview_metadata": True,
    "supports_model_type_tags": True,
    "max_upload_size": MAX_BODY_BYTES,
    "extension": {"manager": {"supports_v4": True}},
    "node_replacements": True,
    "assets": False,
}


class Sockets:
    """The open websockets by client id."""

    def __init__(self) -> None:
        self._open: dict[Any, web.WebSocketResponse] = {}
        self._outbox: asyncio.Queue[tuple[str, dict[str, Any], Any]] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def publish(self) -> None:
        """Send posted messages, without end; a client id that cannot be hashed ends the server."""
        self._loop = asyncio.get_running_loop()
        while True:
            event, data, client_id = await self._outbox.get()
            await self.send(event, data, client_id)

    def post(self, event: str, data: dict[str, Any], client_id: object = None) -> None:
        """Queue a message from any thread; without a client id it goes to all clients."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._outbox.put_nowait, (event, data, client_id))

    async def send(self, event: str, data: dict[str, Any], client_id: object) -> None:
        """Send a message now; ignore clients that have disconnected."""
        message = {"type": event, "data": data}
        if client_id is None:
            for socket in list(self._open.values()):
                await _send(socket, message)
        elif client_id in self._open:
            await _send(self._open[client_id], message)

    async def serve(
        self, request: web.Request, greetings: Callable[[str], list[tuple[str, dict[str, Any]]]]
    ) -> web.WebSocketResponse:
        """Serve one client until it disconnects."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client_id = request.query.get("clientId") or uuid.uuid4().hex
        self._open[client_id] = socket
        try:
            for event, data in greetings(client_id):
                await self.send(event, data, client_id)
            await self._listen(socket, client_id)
        finally:
            # Also drops a newer connection of the same client id, as ComfyUI does.
            self._open.pop(client_id, None)
        return socket

    async def _listen(self, socket: web.WebSocketResponse, client_id: str) -> None:
        is_first = True
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                if is_first and _asks_for_features(message.data):
                    await self.send("feature_flags", FEATURES, client_id)
                is_first = False


async def _send(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
    try:
        await socket.send_json(message)
    except (ConnectionError, RuntimeError):
        return


def _asks_for_features(text: str) -> bool:
    try:
        message = json.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and message.get("type") == "feature_flags"

"""What a ComfyUI may send through its websocket."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from aiohttp import web

from tests.gateways.faulty import Talk

MINE = {"prompt_id": "job-1"}
STATUS = {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 2}}}}
PROGRESS = {"type": "progress", "data": {"value": 1, "max": 2, "node": "3", **MINE}}
SUCCESS = {"type": "execution_success", "data": MINE}
END = {"type": "executing", "data": {"node": None, **MINE}}
END_OF_ANOTHER = {"type": "executing", "data": {"node": None, "prompt_id": "job-2"}}
PROGRESS_OF_ANOTHER = {"type": "progress", "data": {"value": 1, "max": 2, "prompt_id": "job-2"}}


def says(*messages: Any) -> Talk:
    """Send JSON, texts and bytes, and then nothing more."""

    async def talk(socket: web.WebSocketResponse) -> None:
        for each in messages:
            if isinstance(each, bytes):
                await socket.send_bytes(each)
            else:
                await socket.send_str(each if isinstance(each, str) else json.dumps(each))
        await socket.receive()

    return talk


async def flood(socket: web.WebSocketResponse) -> None:
    """Send messages without a pause, none about the attempt."""
    with suppress(ConnectionError):
        while not socket.closed:
            for message in (STATUS, PROGRESS_OF_ANOTHER, END_OF_ANOTHER):
                await socket.send_json(message)
            await asyncio.sleep(0.001)

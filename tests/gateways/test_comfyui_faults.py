"""A websocket is only a convenience: whatever becomes of it, the history tells the end."""

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.gateways.comfyui import Waiting
from tests.gateways.faulty import IMAGE, Script, Talk, serving, silence
from tests.gateways.following import Followed, follow, follow_at, ticking

Socket = web.WebSocketResponse

MINE = {"prompt_id": "job-1"}
OTHERS = {"prompt_id": "job-2"}
PROGRESS = {"type": "progress", "data": {"value": 1, "max": 2, "node": "3", **MINE}}
SUCCESS = {"type": "execution_success", "data": MINE}
END = {"type": "executing", "data": {"node": None, **MINE}}


def says(*messages: Any) -> Talk:
    """Send texts, bytes and JSON, and then nothing more."""

    async def talk(socket: Socket) -> None:
        for message in messages:
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_str(message if isinstance(message, str) else json.dumps(message))
        await silence(socket)

    return talk


async def close(socket: Socket) -> None:
    await socket.send_json(PROGRESS)


async def reset(socket: Socket) -> None:
    await socket.send_json(PROGRESS)
    abort(socket)


def abort(socket: Socket) -> None:
    transport = socket._req.transport
    transport.abort()


async def refuse(_request: web.Request) -> web.Response:
    return web.Response(status=403)

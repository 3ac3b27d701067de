"""The history shows the end of an attempt, whatever happens to the websocket."""

from typing import Any

import pytest
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.gateways.faulty import Script
from tests.gateways.following import SAVED, follow
from tests.gateways.talks import END, PROGRESS, SUCCESS, flood, says

Socket = web.WebSocketResponse


async def close(socket: Socket) -> None:
    await socket.send_json(PROGRESS)


async def reset(request: web.Request) -> Socket:
    socket = Socket()
    await socket.prepare(request)
    await socket.send_json(PROGRESS)
    assert request.transport
    request.transport.abort()
    return socket


async def refuse(_request: web.Request) -> web.Response:
    return web.Response(status=403)


async def answer_plainly(_request: web.Request) -> web.Response:
    return web.Response(text="no websocket here")


TROUBLES: dict[str, dict[str, Any]] = {
    "silent": {"talk": says()},
    "end message lost": {"talk": says(PROGRESS, SUCCESS)},
    "closed": {"talk": close},
    "reset": {"answers": {"ws": reset}},
    "refused": {"answers": {"ws": refuse}},
    "not a websocket": {"answers": {"ws": answer_plainly}},
    "flooded": {"talk": flood},
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_the_end_of_an_attempt_is_noticed_without_the_websocket(trouble: dict[str, Any]) -> None:
    followed = follow(Script(**trouble))
    assert followed.images == SAVED
    assert followed.is_soon


def test_a_silent_websocket_stays_open() -> None:
    script = Script(talk=says(), ends_at_look=2)
    assert follow(script).images == SAVED
    assert script.count("/ws") == 1


def test_a_closed_websocket_is_opened_again() -> None:
    talks = iter([close, says(END)])

    async def talk(socket: Socket) -> None:
        await next(talks)(socket)

    script = Script(talk=talk, ends_at_look=2)
    assert follow(script).images == SAVED
    assert script.count("/ws") == 2


def test_a_websocket_that_closes_repeatedly_is_opened_a_limited_number_of_times() -> None:
    script = Script(talk=close)
    assert follow(script).images == SAVED
    assert script.count("/ws") < 20


STRANGE = {
    "preview": b"\0\0\0\1\0\0\0\1\xff\xd8\xff",
    "empty binary": b"",
    "reconnected": {"type": "executing", "data": {"node": "3"}},
    "feature flags": {"type": "feature_flags", "data": {"max_upload_size": 1}},
    "malformed": '{"type": "status", "data": {',
    "empty": "",
    "null": "null",
    "number": "1e400",
    "list": "[1, 2]",
    "text": '"status"',
    "data is null": {"type": "progress", "data": None},
    "data is a list": {"type": "executing", "data": [{"node": None}]},
    "data is a text": {"type": "logs", "data": "loaded"},
    "no type": {"data": {}},
    "type is a list": {"type": ["executing"], "data": {}},
    "prompt id is an object": {"type": "executing", "data": {"prompt_id": {}, "node": None}},
}


@pytest.mark.parametrize("message", STRANGE.values(), ids=STRANGE)
def test_an_unexpected_message_does_not_stop_the_gateway_from_following(message: Any) -> None:
    followed = follow(Script(talk=says(message, PROGRESS, END)))
    assert followed.images == SAVED
    assert {"value": 1, "max": 2, "node": "3"} in followed.reports
    assert followed.is_soon


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(("type", "data")), inner),
)


@settings(max_examples=40)
@given(messages=st.lists(st.text() | st.binary() | values))
@example(messages=[{"type": "progress", "data": {"value": [], "max": {}, "node": []}}])
def test_the_history_shows_the_end_whatever_the_websocket_sends(messages: list[Any]) -> None:
    followed = follow(Script(talk=says(*messages, END)))
    assert followed.images == SAVED
    assert followed.is_soon

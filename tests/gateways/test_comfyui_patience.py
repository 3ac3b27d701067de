"""How long the gateway follows an attempt, and what it reports meanwhile."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from aiohttp import web

from chalicelib.errors import ComfyUIUnreachable
from chalicelib.gateways.comfyui.state import Waiting
from tests.gateways.faulty import Script
from tests.gateways.following import SAVED, follow, ticking
from tests.gateways.talks import END, END_OF_ANOTHER, SUCCESS, flood, says

EMPTY: dict[str, Any] = {"queue_running": [], "queue_pending": []}
NEVER = 10**9


def test_the_end_of_another_attempt_is_ignored() -> None:
    script = Script(talk=says(END_OF_ANOTHER))
    assert follow(script, until=time.time() + 0.3).state == Waiting(0, "job-1")
    assert script.count("/history") == 0


def test_the_gateway_waits_for_a_history_that_is_written_late() -> None:
    followed = follow(Script(talk=says(SUCCESS, END), ends_at_look=2))
    assert followed.images == SAVED
    assert followed.is_soon


def test_an_attempt_that_runs_for_long_is_not_taken_for_lost() -> None:
    assert follow(Script(talk=flood, ends_at_look=12), until=1000, clock=ticking(1)).images == SAVED


def test_an_attempt_that_comfyui_forgot_is_lost_long_before_the_deadline() -> None:
    script = Script(talk=flood, queue=EMPTY, ends_at_look=NEVER)
    assert follow(script, until=1000, clock=ticking(1)).state is None
    assert script.count("/history") < 20


def test_the_position_of_a_waiting_attempt_is_reported() -> None:
    queue = {"queue_running": [[0, "a"]], "queue_pending": [[2, "job-1"], [1, "b"]]}
    followed = follow(Script(talk=flood, queue=queue, ends_at_look=8), until=1000, clock=ticking(1))
    assert 2 in followed.positions
    assert followed.images == SAVED


def test_the_last_known_state_is_returned_at_the_deadline() -> None:
    followed = follow(Script(ends_at_look=NEVER), until=time.time() + 0.2)
    assert followed.state == Waiting(0, "job-1")
    assert followed.seconds < 2


def test_an_end_is_found_even_if_the_deadline_has_passed() -> None:
    assert follow(Script(ends_at_look=0), until=0).images == SAVED


def test_following_a_comfyui_that_hangs_ends_soon_after_the_deadline() -> None:
    async def hang(_request: web.Request) -> web.Response:
        await asyncio.sleep(8)
        return web.json_response({})

    script = Script(answers={"history": hang}, queue=EMPTY)
    began_at = time.monotonic()
    with suppress(ComfyUIUnreachable):
        follow(script, until=time.time() + 1.2)
    assert time.monotonic() - began_at < 5

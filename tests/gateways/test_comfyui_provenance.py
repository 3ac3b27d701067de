"""What ComfyUI reports on how an image was made: its graph, its end time, and the software."""

import time
from typing import Any

import pytest
from aiohttp import web

from chalicelib.errors import ComfyUIUnreachable
from chalicelib.gateways.comfyui.client import ComfyUI
from chalicelib.gateways.comfyui.state import Finished, Software, software
from local.comfyui.catalog import VERSION
from tests.contracts.graphs import flat
from tests.gateways.faulty import ENTRY, Script, serving
from tests.gateways.following import SOON_SECONDS, connect, run


def test_an_execution_that_has_ended_has_its_graph_and_end_time(gateway: ComfyUI) -> None:
    graph, before = flat(), time.time()
    state = run(gateway, graph).state
    assert isinstance(state, Finished)
    assert state.graph == graph
    assert state.ended_at == pytest.approx(before, abs=SOON_SECONDS)


@pytest.mark.parametrize("prompt", [None, [], [0, "job-1"], [0, "job-1", "no graph"], {}, 7])
def test_an_execution_without_a_valid_graph_still_succeeds(prompt: Any) -> None:
    with serving(Script(entry={**ENTRY, "prompt": prompt}, ends_at_look=0)) as url:
        state = connect(url).find("job-1")
    assert isinstance(state, Finished)
    assert (state.graph, state.failure) == (None, None)


def test_a_server_reports_its_software(gateway: ComfyUI) -> None:
    assert gateway.software() == Software(VERSION, "none (stand-in)", "stand-in")


NOTHING = Software(None, None, None)
STATS: dict[str, tuple[Any, Any, Software]] = {
    "of an old version": ({"os": "posix"}, [], NOTHING),
    "of a wrong type": ({"comfyui_version": 3, "pytorch_version": None}, [{}], NOTHING),
    "too long": ({"comfyui_version": "x" * 999}, [], Software("x" * 200, None, None)),
}


@pytest.mark.parametrize(("system", "devices", "expected"), STATS.values(), ids=STATS)
def test_missing_or_malformed_software_is_none_and_long_names_are_cut(
    system: Any, devices: Any, expected: Software
) -> None:
    assert software({"system": system, "devices": devices}) == expected


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"system": {}, "devices": [7]}'])
def test_software_in_another_form_is_an_unreachable_comfyui(body: str) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=body)

    script = Script(answers={"system_stats": answer})
    with serving(script) as url, pytest.raises(ComfyUIUnreachable):
        connect(url).software()

"""A stand-in ComfyUI for each module, and the gateway to it."""

from collections.abc import Iterator

import pytest

from chalicelib.gateways.comfyui.client import ComfyUI
from tests.contracts.protocol import ComfyUI as Server
from tests.gateways.following import connect
from tests.local.stand_in import server as stand_in


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server, called without the gateway."""
    with stand_in(tmp_path_factory.mktemp("comfyui"), step_seconds=0.01) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(server: Server) -> ComfyUI:
    return connect(server.url)

"""The servers under test: the stand-in, and a real ComfyUI if COMFYUI_URL names one."""

from collections.abc import Iterator

import pytest

from local.comfyui.background import serve
from tests.contracts.graphs import picture
from tests.contracts.protocol import ComfyUI, Listener
from tests.environment import REAL_CHECKPOINT, REAL_COMFYUI_URL

SERVERS = ["stand-in", *(["real"] if REAL_COMFYUI_URL else [])]
MANY_STEPS = 2000


@pytest.fixture(scope="session", params=SERVERS)
def comfyui(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComfyUI]:
    """Each server in turn."""
    if request.param == "real":
        yield real_server()
        return
    with serve(
        tmp_path_factory.mktemp("comfyui"), "stand-in.safetensors", step_seconds=0.01
    ) as url:
        yield ComfyUI(url, "stand-in.safetensors")


def real_server() -> ComfyUI:
    """Return the server at COMFYUI_URL, with CHECKPOINT or else its first checkpoint."""
    server = ComfyUI(REAL_COMFYUI_URL, REAL_CHECKPOINT)
    if server.checkpoint:
        return server
    return ComfyUI(server.url, server.get("/models/checkpoints").json()[0])


@pytest.fixture
def busy(comfyui: ComfyUI) -> Iterator[tuple[str, Listener]]:
    """A prompt that samples for as long as the test lasts, and its listener."""
    with comfyui.listener() as listener:
        graph = picture(comfyui.checkpoint, MANY_STEPS)
        prompt_id = comfyui.submit(graph, client_id=listener.client_id)
        listener.until("progress", prompt_id=prompt_id)
        yield prompt_id, listener
        if not comfyui.get(f"/history/{prompt_id}").json():
            comfyui.interrupt(prompt_id)
            listener.until_end(prompt_id)

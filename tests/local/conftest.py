"""A stand-in server for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.protocol import ComfyUI
from tests.local.stand_in import server


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[ComfyUI]:
    with server(tmp_path) as comfyui:
        yield comfyui

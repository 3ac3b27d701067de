"""The path of a request in docs/architecture.md is true, and the code uses its glossary."""

import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from chalice import Chalice
from chalice.test import Client, TestHTTPClient

import app
from tests.api.calls import generate
from tests.api.gateway import Gateway
from tests.api.keyed import keyed

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "chalicelib"
TEXT = (ROOT / "docs/architecture.md").read_text()
HOPS = re.findall(r"^\| \d+ \| `([\w/.]+)` \| `([\w.]+)` \|$", TEXT, re.MULTILINE)

# Words that the code no longer uses; the glossary has the current ones.
FORMER = (
    r"seat\w*|keepers?|wakers?|wakes?|clearing|settling|telling|survey|queue_snapshots|ails?|sick|suspect\w*"
    r"|distrust|rearm\w*|revive|rescued?"
)


def calls_of(act: Callable[[], object]) -> list[tuple[str, str]]:
    """Return the application's functions that `act` calls, in the order of their first call."""
    called: dict[tuple[str, str], None] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (path := Path(frame.f_code.co_filename)).is_relative_to(PACKAGE):
            called[str(path.relative_to(PACKAGE)), frame.f_code.co_qualname] = None

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return list(called)


@pytest.fixture
def caller(aws: None, comfyui: str) -> TestHTTPClient:
    """A caller whose key has an allowance, which admin keys do not have."""
    gateway: Chalice = Gateway(app.app)  # type: ignore[assignment]
    return keyed(Client(gateway), gateway, scopes=("read", "generate"))


def test_a_request_calls_the_functions_of_the_table_in_their_order(caller: TestHTTPClient) -> None:
    generate(caller)  # stores the first items and makes the clients
    called = calls_of(lambda: generate(caller))
    assert len(HOPS) >= 12
    assert [hop for hop in called if hop in HOPS] == HOPS


def test_no_file_is_in_the_path_twice() -> None:
    files = [file for file, _ in HOPS]
    assert len(files) == len(set(files))


SOURCES = [
    path
    for pattern in ("chalicelib/**/*.py", "infra/**/*.py", "infra/**/*.yaml", "local/**/*.py")
    for path in sorted(ROOT.glob(pattern))
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_code_uses_the_words_of_the_glossary(path: Path) -> None:
    words = re.split(r"[^a-zA-Z]+|_|(?<=[a-z])(?=[A-Z])", path.read_text())
    found = {word for word in words if re.fullmatch(FORMER, word, re.IGNORECASE)}
    assert not found

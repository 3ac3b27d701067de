"""A GPU, its ComfyUI and an image bucket, small enough to see through."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from types import SimpleNamespace
from typing import Any

from chalicelib.errors import StoreFailed
from chalicelib.gateways.comfyui_state import Finished, ImageFile, State, Waiting

SAVED = {"9": [ImageFile("a_00001_.png", "darkroom", "output")]}


class FakeComfyUI:
    """Ends every attempt with the next of `ends`; by default, at once and with an image."""

    def __init__(self, *ends: State) -> None:
        self.ends = list(ends)
        self.submitted: list[str] = []
        self.graphs: list[dict[str, Any]] = []
        self.known: dict[str, State] = {}
        self.on_submit: Callable[[], None] = lambda: None
        self.lost_files: set[str] = set()

    def queue_length(self) -> int:
        return 0

    def find(self, attempt_id: str) -> State:
        return self.known.get(attempt_id)

    @contextmanager
    def events(self, attempt_id: str) -> Iterator[None]:
        yield None

    def submit(self, attempt_id: str, graph: dict[str, Any]) -> None:
        self.submitted.append(attempt_id)
        self.graphs.append(graph)
        self.known[attempt_id] = Waiting(0)
        self.on_submit()

    def follow(self, attempt_id: str, events: None, *, until: float, report: Any) -> State:
        self.known[attempt_id] = self.ends.pop(0) if self.ends else Finished(SAVED)
        return self.known[attempt_id]

    @contextmanager
    def image(self, file: ImageFile) -> Iterator[tuple[BytesIO, int] | None]:
        yield None if file.filename in self.lost_files else (BytesIO(b"png"), 3)


class FakeFleet:
    """One instance that is ready unless `acquire` is told to raise."""

    def __init__(self, comfyui: FakeComfyUI) -> None:
        self.ready = SimpleNamespace(instance=SimpleNamespace(id="i-1"), comfyui=comfyui)
        self.refusal: Exception | None = None

    def server(self, instance_id: str) -> Any:
        return None if self.refusal else self.ready

    def acquire(self) -> Any:
        if self.refusal:
            raise self.refusal
        return self.ready


class FakeImages:
    """Keeps what is stored; fails as often as `failures` says."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.puts = 0
        self.failures = 0

    def put(self, key: str, content: BytesIO, size: int) -> None:
        self.puts += 1
        if self.failures:
            self.failures -= 1
            raise StoreFailed("the image could not be stored")
        self.stored[key] = content.read()


class Clock:
    """A time that passes when it is told to."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

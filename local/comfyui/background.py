"""Run a stand-in server inside another program, for tests and measurements."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path

from local.comfyui.machine import Pace
from local.comfyui.server import DEFAULT_CHECKPOINT, Options, Server

START_SECONDS = 10


@contextmanager
def serve(
    base_directory: Path,
    *checkpoints: str,
    step_seconds: float = 0.0,
    load_seconds: float = 0.0,
    port: int = 0,
) -> Iterator[str]:
    """Serve on 127.0.0.1 until the block ends, and yield the URL; port 0 is any free port."""
    pace = Pace(step_seconds, load_seconds)
    offered = checkpoints or (DEFAULT_CHECKPOINT,)
    server = Server(Options(Path(base_directory), offered, pace))
    ready: Future[str] = Future()
    loop = asyncio.new_event_loop()
    serving = loop.create_task(server.serve("127.0.0.1", port, ready.set_result))
    thread = threading.Thread(target=_run, args=(loop, serving, ready), daemon=True)
    thread.start()
    try:
        yield ready.result(START_SECONDS)
    finally:
        with suppress(RuntimeError):  # the server and its loop may have ended
            loop.call_soon_threadsafe(serving.cancel)
        thread.join()


def _run(loop: asyncio.AbstractEventLoop, serving: asyncio.Task[None], ready: Future[str]) -> None:
    (failure,) = loop.run_until_complete(asyncio.gather(serving, return_exceptions=True))
    loop.close()
    if not ready.done():
        ready.set_exception(failure)

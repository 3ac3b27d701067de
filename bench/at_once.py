"""Time forty simultaneous requests of one key on the emulator, for each kind of request."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import requests

from local.stack.api import Api

COUNT, ROUNDS = 40, 4
BODY = {"prompt": "a lighthouse", "width": 64, "height": 64, "steps": 1}
LATER = {"Prefer": "respond-async"}
_PAUSE_SECONDS = 10  # for workers to finish the accepted jobs

Ask = Callable[[], requests.Response]


def at_once(api: Api) -> dict[str, float]:
    """Return the seconds of the slowest request of each kind, in the best of several rounds."""
    kinds: dict[str, Ask] = {
        "catalog": lambda: api.call("GET", "/api/images/styles"),
        "list_of_jobs": lambda: api.call("GET", "/api/images/jobs"),
        "accept": lambda: api.call("POST", "/api/images/generate", json=BODY, headers=LATER),
        "generate": lambda: api.call("POST", "/api/images/generate", json=BODY),
    }
    slowest: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, ask in kinds.items():
            slowest[name].append(_slowest(ask))
            time.sleep(_PAUSE_SECONDS)
    # The first round starts the functions' processes, and does not count.
    return {f"{name}_seconds": round(min(each[1:]), 2) for name, each in slowest.items()}


def _slowest(ask: Ask) -> float:
    def timed(_: int) -> float:
        began = time.perf_counter()
        ask().raise_for_status()
        return time.perf_counter() - began

    with ThreadPoolExecutor(COUNT) as callers:
        return max(callers.map(timed, range(COUNT)))

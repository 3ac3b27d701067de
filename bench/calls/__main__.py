"""`python -m bench.calls`: what each operation costs, as one JSON object."""

import json
import logging
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from msgspec import structs

from bench.calls.meter import Meter, summary
from chalicelib import wiring
from chalicelib.config import config
from chalicelib.models import table
from local.comfyui.background import serve
from tests.conftest import CHECKPOINT, empty_aws
from tests.infra.deployment import SMALL, Deployment
from tests.models.lining import come
from tests.virtual.accepting import CALL_SECONDS, accept_at_once
from tests.virtual.clock import VirtualClock

PARALLEL, QUEUED = 1000, 10_000
GENERATE = "/api/images/generate"

Costs = dict[str, dict[str, Any]]


def main() -> None:
    """Measure, and print nothing else."""
    logging.disable(logging.CRITICAL)
    with redirect_stdout(sys.stderr):
        figures = {"operations": operations(), "accepts_of_one_key": accepts()}
    print(json.dumps(figures))


def operations() -> Costs:
    """Return the costs of the operations, on a GPU that is on, before an empty queue."""
    with deployment() as (deployed, meter):
        deployed.call("POST", GENERATE, SMALL)  # makes the clients and the first items
        costs: Costs = {}

        def note(name: str, act: Callable[[], Any]) -> Any:
            meter.take()
            result = act()
            costs[name] = summary(meter.take())
            return result

        _images(deployed, note)
        _jobs(deployed, note)
        return costs


def _images(deployed: Deployment, note: Callable[[str, Callable[[], Any]], Any]) -> None:
    later, key = {"prefer": "respond-async"}, {"idempotency_key": "a"}
    small, both = {**SMALL, "style_id": 1, "format_id": 1}, {**later, **key}
    note("generate, warm", lambda: deployed.call("POST", GENERATE, SMALL))
    note("generate, asynchronous", lambda: deployed.call("POST", GENERATE, SMALL, **later))
    note("… with Idempotency-Key", lambda: deployed.call("POST", GENERATE, SMALL, **both))
    note("… the same again", lambda: deployed.call("POST", GENERATE, SMALL, **both))
    note("… with style and format", lambda: deployed.call("POST", GENERATE, small, **later))
    eight = {**SMALL, "count": 8}
    post = "/api/v1/posts/7/generate_images"
    note("eight images of a post", lambda: deployed.call("POST", post, eight, **later))


def _jobs(deployed: Deployment, note: Callable[[str, Callable[[], Any]], Any]) -> None:
    jobs = "/api/images/jobs"
    job_id = deployed.accepted()
    note("a queued job", lambda: deployed.call("GET", f"{jobs}/{job_id}"))
    note("50 jobs", lambda: deployed.call("GET", jobs))
    note("canceling a queued job", lambda: deployed.call("POST", f"{jobs}/{job_id}/cancel"))
    job_id = str(deployed.call("GET", f"{jobs}?status=queued").json_body[-1]["id"])
    note("a worker and its image", lambda: deployed.work(job_id))
    note("a finished job", lambda: deployed.call("GET", f"{jobs}/{job_id}"))
    note("a catalog", lambda: deployed.call("GET", "/api/images/styles"))
    note("a path that is not served", lambda: deployed.call("GET", "/nothing"))


@contextmanager
def deployment() -> Iterator[tuple[Deployment, Meter]]:
    """All functions over a GPU that is on, in process, with every call noted."""
    wiring.config = structs.replace(config, comfyui_url="", warm_up=0)
    table._shared.cache_clear()
    meter = Meter()
    with tempfile.TemporaryDirectory() as made, empty_aws(), serve(Path(made), CHECKPOINT) as url:
        try:
            yield Deployment(meter, url), meter
        finally:
            meter.end()
            wiring.config = config
            table._shared.cache_clear()


def accepts() -> dict[str, Any]:
    """Return what many requests of one key cost, at once and behind a long queue."""
    with empty_aws():
        seconds, calls = accept_at_once(VirtualClock(), PARALLEL, limit=PARALLEL)
    with empty_aws():
        accept_at_once(VirtualClock(), 1, limit=QUEUED)
        first = accept_at_once(VirtualClock(), 1, limit=QUEUED)
        come("one", QUEUED, now=VirtualClock()())  # accepting so many takes moto half an hour
        last = accept_at_once(VirtualClock(), 1, limit=QUEUED)
    cuts = statistics.quantiles(seconds, n=20)
    return {
        "call_ms": CALL_SECONDS * 1000,
        "at_once": PARALLEL,
        "accepted": len(seconds),
        "p50_ms": round(cuts[9] * 1000, 1),
        "p95_ms": round(cuts[18] * 1000, 1),
        "slowest_ms": round(max(seconds) * 1000, 1),
        "calls_each": round(calls.total() / PARALLEL, 2),
        "calls_behind_1": dict(first[1]),
        f"calls_behind_{QUEUED}": dict(last[1]),
    }


if __name__ == "__main__":
    main()

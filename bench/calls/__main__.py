"""`python -m bench.calls`: what each operation costs, as one JSON object."""

import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from msgspec import structs
from ulid import ULID

from bench.calls.meter import Meter, summary
from chalicelib import wiring
from chalicelib.config import config
from chalicelib.models import table
from chalicelib.models.api_key import ApiKey
from chalicelib.models.job import Job
from local.comfyui.background import serve
from tests.conftest import CHECKPOINT, empty_aws
from tests.infra.deployment import SMALL, Deployment
from tests.models.lining import come
from tests.virtual.accepting import CALL_SECONDS, accept_at_once
from tests.virtual.clock import VirtualClock

PARALLEL, QUEUED = 1000, 10_000
GENERATE = "/api/images/generate"
SHOWN = {**SMALL, "negative_prompt": "", "cfg_scale": 7.0, "seed": 1}

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
        _many(deployed, note)
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


def _many(deployed: Deployment, note: Callable[[str, Callable[[], Any]], Any]) -> None:
    """Measure what must not grow: with the texts of a request, and with others' jobs."""
    for key in ApiKey.scan():
        key.update([ApiKey.images_per_day.set(10**6)])
    emoji = "\N{FOX FACE}" * 10_000
    largest = {**SMALL, "prompt": emoji, "negative_prompt": emoji}
    job_id = deployed.accepted(**largest)
    with deployed.recorder.during("Worker"):
        note("the progress of the largest request", lambda: _report(job_id))
    batch = {"requests": [SMALL] * 100}
    note("a batch of 100", lambda: deployed.call("POST", "/api/images/jobs/batch", batch))
    for post_id in ("8", "9"):
        _make_for("somebody else", post_id, 500)
    note("1,000 jobs", lambda: deployed.call("GET", "/api/images/jobs?limit=1000"))
    _make_for("read-generate", "8", 2)
    images = "/api/v1/posts/8/images"
    note("a post beside 500 of another", lambda: deployed.call("GET", images, admin=False))


def _make_for(owner: str, post_id: str, count: int) -> None:
    """Store jobs of an owner for a post as if they had been made."""
    now = time.time()
    for _ in range(count):
        known: dict[str, Any] = {"parameters": SHOWN, "lease": "driver", "due_at": now + 60}
        job = Job.new(str(ULID()), now=now, owner=owner, post_id=post_id, **known)
        job.parameters_item.save()
        job.save()
        job.succeed([{"id": f"{job.id}-0", "key": f"images/{job.id}/0.png"}], now=now)


def _report(job_id: str) -> None:
    """Write an image's progress down, as its driver does each second."""
    job, now = Job.find(job_id), time.time()
    job.claim("driver", now=now, until=now + 30)
    progress = {"value": 1, "max": 20, "node": "KSampler"}
    job.report(progress, queue_position=0, now=now, until=now + 60)


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

"""`python -m bench.calls [LATENCIES]`: print what each operation costs, as one JSON object."""

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

from bench.calls import queued
from bench.calls.meter import Meter, summary
from bench.latencies import Latencies
from chalicelib import bootstrap
from chalicelib.config import config
from chalicelib.models import table
from chalicelib.models.jobs.attempt import Attempt, attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.models.keys.api_key import ApiKey
from chalicelib.models.schedules.schedule import Schedule
from local.comfyui.background import serve
from tests.conftest import CHECKPOINT, empty_aws
from tests.infra.deployment import SMALL, Deployment
from tests.models.queueing import enqueue
from tests.virtual.accepting import CALL_SECONDS, accept_at_once
from tests.virtual.clock import VirtualClock
from tests.virtual.running import accept_alone, run_at_once

PARALLEL, QUEUED = 1000, 10_000
GENERATE, JOBS = "/api/images/generate", "/api/images/jobs"
SHOWN = {**SMALL, "negative_prompt": "", "cfg_scale": 7.0, "seed": 1}

Costs = dict[str, dict[str, Any]]


def main(latencies: Latencies) -> None:
    """Measure, and print only the JSON object to stdout."""
    logging.disable(logging.CRITICAL)
    sizes = queued.SIZES.items()
    with redirect_stdout(sys.stderr):
        figures = {
            "operations": operations(latencies),
            "accepts_of_one_key": accepts(),
            "schedules_at_once": fired(),
            "while_jobs_wait": {name: queued.costs(*size, latencies) for name, size in sizes},
        }
    print(json.dumps(figures))


def operations(latencies: Latencies) -> Costs:
    """Return the costs of the operations, with a GPU that is on and an empty queue."""
    with deployment(latencies) as costs:
        _images(costs)
        _jobs(costs)
        _schedules(costs)
        _many(costs, others=500)
        return costs.noted


def many(others: int) -> Costs:
    """Return costs that must not grow with a request's texts, or with other owners' jobs."""
    with deployment(Latencies()) as costs:
        _many(costs, others=others)
        return costs.noted


def schedules() -> Costs:
    """Return what schedules and their runs cost."""
    with deployment(Latencies()) as costs:
        _schedules(costs)
        return costs.noted


class Noted:
    """Calls a deployment, and records what each call costs."""

    def __init__(self, deployed: Deployment, meter: Meter) -> None:
        self.deployed = deployed
        self.noted: Costs = {}
        self._meter = meter

    def note(self, name: str, act: Callable[[], Any]) -> Any:
        self._meter.take()
        result = act()
        self.noted[name] = summary(self._meter.take())
        return result

    def call(self, name: str, method: str, path: str, body: object = None, **how: Any) -> Any:
        return self.note(name, lambda: self.deployed.call(method, path, body, **how).json_body)


def _images(costs: Noted) -> None:
    later, key = {"prefer": "respond-async"}, {"idempotency_key": "a"}
    both, styled = {**later, **key}, {**SMALL, "style_id": 1, "format_id": 1}
    costs.call("generate, warm", "POST", GENERATE, SMALL)
    costs.call("generate, asynchronous", "POST", GENERATE, SMALL, **later)
    costs.call("… with Idempotency-Key", "POST", GENERATE, SMALL, **both)
    costs.call("… the same again", "POST", GENERATE, SMALL, **both)
    costs.call("… with style and format", "POST", GENERATE, styled, **later)
    eight = {**SMALL, "count": 8}
    costs.call("eight images of a post", "POST", _post("7"), eight, **later)


def _jobs(costs: Noted) -> None:
    deployed = costs.deployed
    job_id = deployed.accepted()
    costs.call("a queued job", "GET", f"{JOBS}/{job_id}")
    costs.call("50 jobs", "GET", JOBS)
    costs.call("canceling a queued job", "POST", f"{JOBS}/{job_id}/cancel")
    for each in deployed.call("GET", f"{JOBS}?status=queued&limit=1000").json_body:
        deployed.call("POST", f"{JOBS}/{each['id']}/cancel")
    job_id = deployed.accepted()
    costs.note("a worker and its image", lambda: deployed.work(deployed.gpu))
    costs.call("a finished job", "GET", f"{JOBS}/{job_id}")
    costs.call("a catalog", "GET", "/api/images/styles")
    costs.call("a path that is not served", "GET", "/nothing")


def _schedules(costs: Noted) -> None:
    """Measure a schedule, and its second run: a first one makes clients."""
    body = {"name": "a", "expression": "cron(0 * * * ? *)", "request": SMALL}
    path, deployed = "/api/images/schedules", costs.deployed
    made = costs.call("creating a schedule", "POST", path, body)
    costs.call("a schedule", "GET", f"{path}/{made['id']}")
    at = float(Schedule.find(made["id"]).next_run_at)
    deployed.run(made["id"], at)
    costs.note("a run of a schedule", lambda: deployed.run(made["id"], at + 3600))
    costs.note("… delivered again", lambda: deployed.run(made["id"], at + 3600))
    costs.call("deleting a schedule", "DELETE", f"{path}/{made['id']}")


def _many(costs: Noted, *, others: int) -> None:
    """Measure costs that must not grow with a request's texts, or with other owners' jobs."""
    for key in ApiKey.scan():
        key.update([ApiKey.images_per_day.set(10**6)])
    emoji = "\N{FOX FACE}" * 10_000
    largest = {**SMALL, "prompt": emoji, "negative_prompt": emoji}
    accepted = costs.deployed.call("POST", _post("p" * 128), largest, prefer="respond-async")
    job = _running(accepted.json_body["jobs"][0]["id"])
    with costs.deployed.recorder.during("Worker"):
        costs.note("the progress of the largest request", lambda: _report(job))
    job.cancel({"code": "canceled", "message": ""}, now=time.time())
    costs.call("a batch of 100", "POST", f"{JOBS}/batch", {"requests": [SMALL] * 100})
    for post_id in ("8", "9"):
        _make_for("somebody else", post_id, others)
    shown = costs.call("1,000 jobs", "GET", f"{JOBS}?status=succeeded&limit=1000")
    costs.noted["1,000 jobs"]["shown"] = len(shown)
    _make_for("read-generate", "8", 2)
    images = "/api/v1/posts/8/images"
    costs.call("a post beside those of another", "GET", images, admin=False)


def _post(post_id: str) -> str:
    return f"/api/v1/posts/{post_id}/generate_images"


def _make_for(owner: str, post_id: str, count: int) -> None:
    """Store jobs of an owner for a post that have succeeded."""
    now = time.time()
    for _ in range(count):
        known: dict[str, Any] = {"parameters": SHOWN, "lease": "driver", "due_at": now + 60}
        job = Job.new(str(ULID()), now=now, owner=owner, post_id=post_id, **known)
        job.parameters_item.save()
        job.save()
        job.succeed([{"id": f"{job.id}-0", "key": f"images/{job.id}/0.png"}], now=now)


def _running(job_id: str) -> Job:
    """Start an attempt of a job, and report its progress once."""
    job, now = Job.find(job_id), time.time()
    job.claim_from_queue("driver", now=now, until=now + 30)
    where = {"instance_id": "i-0123456789abcdef0", "instance_type": "g6.xlarge"}
    made = Attempt(id=attempt_id(job_id, 1), started_at=now, reason="first", **where)
    job.begin_attempt(made, queue_position=0)
    _report(job)
    return job


def _report(job: Job) -> None:
    """Store a job's progress, as its driver does each second; it renews the lease less often."""
    now = time.time()
    progress = {"value": 1, "max": 20, "node": "KSampler"}
    job.report(progress, queue_position=0, now=now, until=float(job.due_at))


@contextmanager
def deployment(latencies: Latencies) -> Iterator[Noted]:
    """Run all functions in this process, with a GPU on, and clients and first items made."""
    bootstrap.config = structs.replace(config, comfyui_url="", warm_up=0)
    table._shared.cache_clear()
    meter = Meter(latencies)
    with tempfile.TemporaryDirectory() as made, empty_aws(), serve(Path(made), CHECKPOINT) as url:
        try:
            deployed = Deployment(meter, url)
            meter.mount(bootstrap.services().gateways.http)
            deployed.reconcile()  # it finds that ComfyUI is ready
            deployed.call("POST", GENERATE, SMALL)
            yield Noted(deployed, meter)
        finally:
            meter.end()
            bootstrap.config = config
            table._shared.cache_clear()


def accepts() -> dict[str, Any]:
    """Return what requests of one key cost: many at once, and one behind a long queue."""
    with empty_aws():
        seconds, calls = accept_at_once(VirtualClock(), PARALLEL, limit=PARALLEL)
    with empty_aws():
        accept_at_once(VirtualClock(), 1, limit=QUEUED)
        first = accept_at_once(VirtualClock(), 1, limit=QUEUED)
        enqueue("one", QUEUED, now=VirtualClock()())  # accepting so many takes moto half an hour
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


def fired() -> dict[str, Any]:
    """Return how long a thousand schedules of one minute take to be accepted."""
    found = {}
    for functions in (2, 5):
        with empty_aws():
            outcome = run_at_once(PARALLEL, concurrency=functions)
        found[f"last_of_{PARALLEL}_with_{functions}_functions_s"] = round(max(outcome.accepted), 1)
        others = statistics.median(outcome.others)
        found[f"another_caller_with_{functions}_functions_ms"] = round(others * 1000, 1)
    with empty_aws():
        alone = statistics.median(accept_alone(100))
    return {**found, "another_caller_alone_ms": round(alone * 1000, 1)}


if __name__ == "__main__":
    main(Latencies.parse(" ".join(sys.argv[1:])))

"""What dispatch and polls cost with a short queue and with a very long one, and with more GPUs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.calls.meter import Meter, Taken, summary
from bench.latencies import Latencies
from chalicelib.models import table
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import found, newest, shown
from chalicelib.models.jobs.queue_snapshot import QueueSnapshot
from chalicelib.models.keys.open_chains import OpenChains
from chalicelib.schemas.generation import GenerateRequest
from chalicelib.services.gpus.checkpoints import CheckpointOrder
from chalicelib.services.gpus.status_texts import comfyui_status
from chalicelib.services.jobs.awaiting import Awaiting
from chalicelib.services.jobs.submit import Order
from chalicelib.services.reconciler import Reconciler
from tests.conftest import empty_aws
from tests.services.fakes import Clock, FakeComfyUI, Parts
from tests.virtual import endpoint
from tests.virtual.backlog import backlog

SIZES = {"100 jobs, 1 GPU": (100, 1), "100,000 jobs, 7 GPUs": (100_000, 7)} | {
    "100,000 jobs, 20 GPUs": (100_000, 20)
}
OLD_SECONDS = 60.0
HOP_SECONDS = 25.0

Costs = dict[str, dict[str, Any]]


def costs(jobs: int, gpus: int, latencies: Latencies | None = None) -> Costs:
    """Return the costs of operations while so many jobs wait."""
    with _waiting(jobs, gpus, latencies or Latencies()) as (parts, meter):
        return {
            "starting the next job": summary(_start(parts, meter)),
            "a queued job, old snapshot": summary(_show(parts, meter)),
            "a queued job": summary(_show(parts, meter)),
            "comfyui/status": summary(_noted(meter, lambda: _status(parts))),
            "accepting a job": summary(_noted(meter, lambda: _accept(parts))),
            "a list of 50 jobs of 1 KB": summary(_list(parts, meter)),
            "a round of the reconciler": summary(_noted(meter, lambda: _reconcile(parts))),
            "a hop of 25 s": summary(_hop(parts, meter)),
        }


@contextmanager
def _waiting(jobs: int, gpus: int, latencies: Latencies) -> Iterator[tuple[Parts, Meter]]:
    table._shared.cache_clear()
    saved, meter = backlog(jobs), Meter(latencies)
    try:
        with empty_aws(), meter.during("Function"):
            table._shared.cache_clear()
            endpoint.tables().restore(saved)
            parts = Parts(*(FakeComfyUI() for _ in range(gpus)), clock=Clock())
            queue.first(1)
            _accept(parts)  # it makes clients and reads what functions keep
            yield parts, meter
    finally:
        meter.end()
        table._shared.cache_clear()


def _noted(meter: Meter, act: Any) -> Taken:
    meter.take()
    act()
    return meter.take()


def _start(parts: Parts, meter: Meter) -> Taken:
    """Return the calls from a free slot to the prompt in ComfyUI."""
    [server, *_] = parts.inventory.serving()
    found: list[Taken] = []
    parts.ec2.comfyuis[server.instance.id].on_submit = lambda: found.append(meter.take())
    meter.take()
    job = parts.dispatcher.take(server, CheckpointOrder(set))
    if job is None:
        raise AssertionError("no job waits")
    parts.driver.advance(job, until=parts.clock() + 60, server=server)
    return found[0]


def _show(parts: Parts, meter: Meter) -> Taken:
    """Return the calls of reading a job of the queue, as a function does that has not before."""
    job_id = queue.first(10)[9].id
    parts.clock.advance(0 if QueueSnapshot.read().made_at else OLD_SECONDS)
    fresh = Parts(ec2=parts.ec2, clock=parts.clock)
    waits = fresh.waits()
    return _noted(meter, lambda: waits.of([waits.show(job_id)]))


def _hop(parts: Parts, meter: Meter) -> Taken:
    """Return the calls of the second hop of a chain, for a job that stays in the queue."""
    job_id, chains = queue.first(10)[9].id, OpenChains.of("a caller", is_small_account=False)

    def wait() -> None:
        jobs, until = found([job_id]), parts.clock() + HOP_SECONDS
        chains.wait("a chain", now=parts.clock(), until=until)
        Awaiting(parts.clock, parts.clock.advance).wait(jobs, until=until)
        chains.leave("a chain", now=parts.clock())

    wait()
    return _noted(meter, wait)


def _status(parts: Parts) -> None:
    comfyui_status(parts.inventory, parts.budget, parts.clock())


def _accept(parts: Parts) -> Job:
    order = Order(GenerateRequest(prompt="a fox"), 0, "f", owner="a caller")
    return parts.submission.accept(order)[0]


def _list(parts: Parts, meter: Meter) -> Taken:
    """Return the calls of listing an owner's jobs."""
    request = GenerateRequest(prompt="x" * 800)
    for _ in range(51):
        parts.submission.accept(Order(request, 0, "f", owner="a lister"))
    parts.clock.advance(OLD_SECONDS)
    fresh = Parts(ec2=parts.ec2, clock=parts.clock)

    def read() -> None:
        waits, ids = fresh.waits(), newest(51, owner="a lister")
        for jobs in shown(ids, at_once=51):
            waits.of(jobs)

    return _noted(meter, read)


def _reconcile(parts: Parts) -> None:
    """Do the part of a round that concerns jobs, GPUs and their queue."""
    Reconciler(parts.stopper, parts.overdue_jobs, parts.demand, parts.queue_snapshots).reconcile()

"""A queue of very many jobs, put into the tables without the calls of as many requests."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from chalicelib.models.jobs import queue
from chalicelib.models.jobs.indexes import SHARDS
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.parameters import id_of
from tests.virtual import endpoint
from tests.virtual.dispatch import PARAMETERS
from tests.virtual.memory import Saved
from tests.virtual.worlds import world_of

OWNERS = 1_000
UNITS = 6  # megapixel-steps of a job
_READ = 1_000  # jobs at the head that have parameters: no test drives more
_KEYS = ("shard", "due_shard", "status_shard", "owner_shard", "owner_status_shard", "owner")

Item = dict[str, Any]


@cache
def backlog(jobs: int, *, checkpoints: str = "a", wait_seconds: int | None = None) -> Saved:
    """Return tables in which `jobs` of a thousand owners wait, which take turns.

    The jobs of an owner have one of the checkpoints, and expire after `wait_seconds`.
    """
    with world_of(0) as world, _without_collections():
        memory, now = endpoint.tables(), world.clock()
        items = [*_items(jobs, checkpoints, now, wait_seconds)]
        memory.fill("jobs", items + [_parameters(each) for each in items[:_READ]])
        queue.count(jobs)
        return memory.copy()


@contextmanager
def _without_collections() -> Iterator[None]:
    """Leave new objects out of garbage collection, which would look at them again and again."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def _items(jobs: int, checkpoints: str, now: float, wait_seconds: int | None) -> Iterator[Item]:
    """Yield the items of jobs, in the order in which the queue has them."""
    known: dict[str, Any] = {
        "parameters": PARAMETERS,
        "units": UNITS,
        "due_at": now,
        "wait_seconds": wait_seconds,
    }
    job = Job.new("0", now=now, **known)
    job.enter_queue("0")
    template = job.serialize()
    for number in range(jobs):
        turn, owner = divmod(number + OWNERS, OWNERS)
        start, job_id, shard = int(now * 1000) + turn * UNITS, f"{number:026d}", number % SHARDS
        # As `queue.sort_keys` has it for jobs that are not the first ones of their owner.
        sort_key = f"{2 * start + 1:015d}#{job_id}"
        name = f"owner {owner}"
        keys = (shard, shard, f"queued#{shard}", f"{name}#{shard}", f"{name}#queued#{shard}", name)
        checkpoint = f"{checkpoints[owner % len(checkpoints)]}.safetensors"
        texts = {"id": job_id, "sort_key": sort_key, "checkpoint": checkpoint}
        texts |= {key: str(value) for key, value in zip(_KEYS, keys, strict=True)}
        yield template | {key: {"S": value} for key, value in texts.items()}


def _parameters(job: Item) -> Item:
    """Return the item with the parameters of a job."""
    values = {**PARAMETERS, "checkpoint": job["checkpoint"]["S"]}
    made = Job.new(job["id"]["S"], now=0, parameters=values, due_at=0).parameters_item
    item: Item = made.serialize()
    assert item["id"] == {"S": id_of(job["id"]["S"])}
    return item

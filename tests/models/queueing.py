"""Puts jobs into the queue, and takes them from its head."""

import itertools
from collections import Counter
from typing import Any

from chalicelib.models.jobs import queue
from chalicelib.models.jobs.attempt import Attempt, attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.priority import INTERACTIVE
from chalicelib.models.jobs.queue import Waiting

_numbers = itertools.count(1)


def enqueue(
    owner: str,
    count: int = 1,
    *,
    now: float = 1000.0,
    priority: str = INTERACTIVE,
    units: int = 1,
    **more: Any,
) -> list[Job]:
    """Put jobs of an owner into the queue; return them in their order."""
    known = {"owner": owner, "priority": priority, "units": units, "parameters": {}, **more}
    jobs = [Job.new(f"{next(_numbers):026d}", now=now, due_at=now, **known) for _ in range(count)]
    for job, sort_key in zip(jobs, queue.sort_keys(jobs, now=now), strict=True):
        job.enter_queue(sort_key)
    with Job.batch_write() as batch:
        for job in jobs:
            batch.save(job)
    return jobs


def job_without_slot(*, created_at: float) -> Job:
    """Return a job that got a slot at once and lost it, and is not in the queue yet."""
    job = Job.new(f"{next(_numbers):026d}", now=created_at, parameters={}, due_at=created_at)
    job.save()
    job.claim("driver", now=created_at, until=created_at + 60)
    made = Attempt(id=attempt_id(job.id, 1), instance_id="i", started_at=created_at, reason="first")
    job.begin_attempt(made, queue_position=0)
    return job


def dequeue() -> str | None:
    """Delete the head of the queue; return its id."""
    head = next(iter(queue.first(1)), None)
    if head is None:
        return None
    Job(head.id).delete()
    return head.id


def order() -> list[str]:
    """Return the ids of the jobs in the queue, the head first."""
    return ids_of(queue.first(1000))


def ids_of(jobs: list[Waiting]) -> list[str]:
    return [each.id for each in jobs]


def served_between(story: Any, begin: int, end: int) -> Counter[str]:
    """Count the jobs of each owner that left the queue between two moments."""
    left = (job_id for job_id, moment in story.left_at.items() if begin < moment < end)
    return Counter(story.owner_of[job_id] for job_id in left)

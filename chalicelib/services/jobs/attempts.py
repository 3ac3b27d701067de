"""Attempts at a job: each is written to the job before it is submitted to ComfyUI."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.errors import NotFound, WorkflowRejected
from chalicelib.models.fleet import slots
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import FIRST, LOST, NEVER_RAN, Attempt, attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.services.billing.prices import cost_of
from chalicelib.services.gpus.inventory import Server
from chalicelib.services.jobs.failures import rejected
from chalicelib.services.jobs.retries import check_attempts_left
from chalicelib.signals import LeaseLost
from chalicelib.workflows import Graph, load

if TYPE_CHECKING:
    from chalicelib.gateways.comfyui.client import ComfyUI
    from chalicelib.gateways.comfyui.state import Finished

_SUBMIT_SECONDS = 7  # longer than the timeout of a submission
_MOST_ATTEMPTS = 100  # of one job, among which an attempt is looked for


def lost(job: Job) -> str:
    """Return the reason why an attempt ended that ComfyUI no longer knows."""
    return NEVER_RAN if job.queue_position else LOST


def shows_life(running: str, beside: Job, *, since: float) -> bool:
    """Return whether an attempt is of an open job that has made progress after `since`.

    `running` is the id of the attempt, which runs on the instance of the job `beside`.
    """
    job_id = _job_of(running, beside.attempts[-1].instance_id)
    if job_id is None:
        return False
    try:
        job = Job.find(job_id)
    except NotFound:
        return False
    return job.is_open and (job.progressed_at or 0) > since


def begin(job: Job, server: Server, reason: str, clock: Callable[[], float]) -> None:
    """Write the next attempt to the job; raise GenerationFailed if none is left."""
    check_attempts_left(job, reason)
    ahead = len(server.record.slot_holders - {job.id})
    job.begin_attempt(_next(job, server, reason, clock), queue_position=ahead)


def begin_in_slot(job: Job, server: Server, clock: Callable[[], float]) -> bool:
    """Give a job a slot and write its first attempt; return False if there is no slot for it."""
    return slots.begin(job, _next(job, server, FIRST, clock), server.record)


def submit(job: Job, comfyui: ComfyUI, clock: Callable[[], float]) -> None:
    """Submit the attempt that was written last."""
    workflow = workflow_of(job)  # reads the parameters, which may take as long as the lease
    _check_lease(job, clock)
    try:
        comfyui.submit(job.attempts[-1].id, workflow, [load(job.workflow).output])
    except WorkflowRejected as refusal:
        raise rejected(refusal, load(job.workflow)) from refusal


def workflow_of(job: Job) -> Graph:
    """Return the graph of the last attempt."""
    # One folder per job, because ComfyUI lists the folder at every save. One prefix per
    # attempt, because ComfyUI answers a repeated graph with the file of the first one.
    prefix = f"darkroom/{job.id}/{job.attempts[-1].id}"
    return load(job.workflow).render(job.parameters, filename_prefix=prefix)


def note_execution(job: Job, end: Finished, number: int = -1) -> None:
    """Note how long an attempt had its GPU and what that cost, if ComfyUI reports it."""
    if end.execution_seconds is not None:
        cost = cost_of(job.attempts[number].instance_type, end.execution_seconds)
        job.note_execution(end.execution_seconds, cost, number)


def note_unreported(job: Job, *, until: float) -> None:
    """Note the last attempt's execution until a time, as ComfyUI does not report it."""
    if job.running_since is not None and job.attempts[-1].execution_seconds is None:
        seconds = max(until - float(job.running_since), 0)
        job.note_execution(seconds, cost_of(job.attempts[-1].instance_type, seconds))


def _job_of(running: str, instance_id: str) -> str | None:
    """Return the job of an attempt, among those that have a slot on its instance.

    None if there is none: other clients of ComfyUI may run prompts, too.
    """
    numbers = range(1, _MOST_ATTEMPTS + 1)
    for job_id in InstanceRecord.read(instance_id).slot_holders:
        if running in (attempt_id(job_id, number) for number in numbers):
            return job_id
    return None


def _next(job: Job, server: Server, reason: str, clock: Callable[[], float]) -> Attempt:
    _check_lease(job, clock)
    return Attempt(  # type: ignore[no-untyped-call]  # PynamoDB's metaclass
        id=attempt_id(job.id, len(job.attempts) + 1),
        instance_id=server.instance.id,
        instance_type=server.instance.type or None,
        started_at=clock(),
        reason=reason,
    )


def _check_lease(job: Job, clock: Callable[[], float]) -> None:
    """Raise LeaseLost if the lease could end before a submission does.

    The next driver may already have looked for the attempt, not found it and submitted another.
    """
    if clock() + _SUBMIT_SECONDS > job.due_at:
        raise LeaseLost(f"the lease of job {job.id} is about to end")

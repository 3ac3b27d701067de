"""The state machine of a job. The API function and followers call `Driver.advance`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from chalicelib.errors import (
    ComfyUIUnavailable,
    ComfyUIUnreachable,
    GenerationFailed,
    GpuHeld,
    GpuNotReady,
)
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.attempt import FIRST, LOST, sentence_of
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.status import QUEUED
from chalicelib.models.jobs.waits import (
    COMFYUI_UNREACHABLE,
    GPU_HELD,
    GPU_NOT_READY,
    INTERNAL_ERROR,
    STORE_FAILED,
)
from chalicelib.services.gpus.demand import Demand
from chalicelib.services.gpus.dispatcher import Dispatcher
from chalicelib.services.gpus.inventory import Server
from chalicelib.services.gpus.look import Look
from chalicelib.services.jobs import job_metrics
from chalicelib.services.jobs.attempts import (
    begin,
    begin_in_slot,
    lost,
    note_execution,
    note_unreported,
    submit,
)
from chalicelib.services.jobs.cleanup import Cleanup
from chalicelib.services.jobs.completion import Completion
from chalicelib.services.jobs.failures import Refusal, deadline_exceeded, described
from chalicelib.services.jobs.lease import LEASE_SECONDS
from chalicelib.services.jobs.progress import Reporter
from chalicelib.services.together import Together
from chalicelib.signals import (
    AttemptOver,
    LeaseLost,
    NoFreeSlot,
    NoProgress,
    StoreFailed,
)

if TYPE_CHECKING:
    from chalicelib.gateways.comfyui.state import State

log = logging.getLogger("darkroom.driver")

_RETRY_SECONDS = 5
_LATE_SECONDS = 60  # after the deadline, in which a finished image is still stored


class Driver:
    """Drives jobs; whatever it raises, the next driver can continue with the job."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        demand: Demand,
        completion: Completion,
        cleanup: Cleanup,
        together: Together,
        clock: Callable[[], float],
    ) -> None:
        self._together = together
        self._dispatcher = dispatcher
        self._demand = demand
        self._completion = completion
        self._cleanup = cleanup
        self._clock = clock

    def advance(
        self,
        job: Job,
        *,
        until: float,
        server: Server | None = None,
        look: Look | None = None,
        on_executed: Callable[[], object] = lambda: None,
    ) -> None:
        """Drive a job until it ends, has to wait, or `until` has come.

        `server` is the one on which the job has just been given a slot; else `look`, if given, says
        which servers may have one. A job without a lease is claimed first, which raises JobBusy or
        JobFinished. `on_executed` is called when ComfyUI is done with it, before its image is
        stored.
        """
        if job.held_lease is None:
            now = self._clock()
            job.claim(uuid4().hex, now=now, until=now + LEASE_SECONDS)
        try:
            self._drive(job, until, server, look, on_executed)
        except LeaseLost:
            log.warning("the driver has lost its lease", extra={"job_id": job.id})
            job.refresh(consistent_read=True)
            if not job.is_open:
                self._cleanup.ended(job)
            if server and not job.attempt:
                self._dispatcher.release(job, server.instance.id)

    def _drive(
        self,
        job: Job,
        until: float,
        server: Server | None,
        look: Look | None,
        on_executed: Callable[[], object],
    ) -> None:
        """Make one attempt after another until the job ends or has to wait."""
        try:
            if self._clock() >= job.deadline_at:
                return self._end_late(job)
            has_begun = not (server or job.attempt)
            server = server or self._place(job, look)
            over: str | None = job.end_reason
            while True:
                state = self._run_attempt(job, server, until, over, has_begun=has_begun)
                has_begun = False
                if state is None:
                    over = self._lost(job)
                elif state.is_finished:
                    on_executed()
                    over = self._completion.complete(job, server, state)
                elif self._clock() >= job.deadline_at:
                    raise deadline_exceeded(job, refusal=Refusal(self._clock).text)
                else:
                    return job.put_back(job.status, None, due_at=self._clock())
                if over is None:
                    return None
        except LeaseLost:
            raise
        except Exception as reason:
            if not self._record_outcome(job, reason):
                self._retry(job)
                raise
            return None

    def _place(self, job: Job, look: Look | None) -> Server:
        """Give a job a slot, a new one together with its first attempt; return its server."""
        if job.attempt:
            return self._dispatcher.acquire(job)
        for server in self._dispatcher.offers(job, look):
            if self._begin_in_slot(job, server):
                return server
        raise NoFreeSlot("waiting for a free slot")

    def _begin_in_slot(self, job: Job, server: Server) -> bool:
        begin = partial(begin_in_slot, job, server, self._clock)
        look_after = partial(self._look_after, job, server)
        has_begun: bool = self._together([begin, look_after])[0]
        return has_begun

    def _look_after(self, job: Job, server: Server) -> None:
        """Have the instance looked at later, if the job is driven where it was accepted."""
        if not job.sort_key:  # else it has a follower
            self._demand.look_after(server.instance.id, at=job.due_at + 1)

    def _record_outcome(self, job: Job, reason: Exception) -> bool:
        """Store why the job waits or has failed; return False if the error is unexpected."""
        match reason:
            case NoFreeSlot():
                self._enqueue(job, reason)
            case GpuHeld():
                self._enqueue(job, reason, GPU_HELD)
            case GpuNotReady():
                self._enqueue(job, reason, GPU_NOT_READY)
            case ComfyUIUnreachable():
                due_at = self._due_at(job, _RETRY_SECONDS)
                job.become_unreachable(str(reason), now=self._clock(), due_at=due_at)
            case ComfyUIUnavailable():
                self._put_back(job, reason, _RETRY_SECONDS, COMFYUI_UNREACHABLE)
            case StoreFailed():
                self._put_back(job, reason, _RETRY_SECONDS, STORE_FAILED)
            case AttemptOver():
                why = sentence_of(reason.reason)
                self._put_back(job, why, reason.retry_seconds, end_reason=reason.reason)
            case GenerationFailed():
                job.fail(described(reason), now=self._clock())
                job_metrics.ended(job)
                self._cleanup.ended(job)
            case _:
                return False
        return True

    def _enqueue(self, job: Job, wait: object, waits_for: str | None = None) -> None:
        """Put a job into the queue, from which a follower takes it."""
        sort_key = queue.sort_key(job, now=self._clock())
        job.put_back(
            QUEUED, str(wait), due_at=job.deadline_at, waits_for=waits_for, sort_key=sort_key
        )
        queue.count(1)
        self._demand.tell()

    def _retry(self, job: Job) -> None:
        """Have a job tried again after an unexpected error."""
        why = "an internal error; the job is retried"
        if job.attempt:
            self._put_back(job, why, _RETRY_SECONDS, INTERNAL_ERROR)
        else:
            self._enqueue(job, why, INTERNAL_ERROR)

    def _put_back(
        self,
        job: Job,
        reason: object,
        delay_seconds: int,
        waits_for: str | None = None,
        *,
        end_reason: str | None = None,
    ) -> None:
        due_at = self._due_at(job, delay_seconds)
        job.put_back(
            job.status, str(reason), due_at=due_at, waits_for=waits_for, end_reason=end_reason
        )

    def _due_at(self, job: Job, delay_seconds: int) -> float:
        """Return the time after a delay, or the deadline if that is sooner."""
        now = self._clock()
        due_at = now + delay_seconds
        return min(due_at, job.deadline_at) if now < job.deadline_at else due_at

    def _end_late(self, job: Job) -> None:
        """Complete a job past its deadline if its attempt has finished unseen, else fail it."""
        is_too_late = self._clock() >= job.deadline_at + _LATE_SECONDS
        try:
            if is_too_late or not self._complete_if_done(job):
                raise deadline_exceeded(job, refusal=Refusal(self._clock).text)
        except ComfyUIUnreachable as silence:
            raise deadline_exceeded(job, refusal=Refusal(self._clock).text) from silence

    def _complete_if_done(self, job: Job) -> bool:
        server = self._dispatcher.server_at_work(job)
        state = server.comfyui.find(job.attempts[-1].id) if server and not job.end_reason else None
        if not (server and state and state.is_finished):
            return False
        if state.failure:
            note_execution(job, state)
            return False
        return self._completion.complete(job, server, state) is None

    def _lost(self, job: Job) -> str:
        """Note the execution of an attempt that ComfyUI no longer knows; return why it ended."""
        if (reason := lost(job)) == LOST:
            note_unreported(job, until=float(job.progressed_at or 0))
        return reason

    def _run_attempt(
        self, job: Job, server: Server, until: float, over: str | None, *, has_begun: bool
    ) -> State:
        """Follow the job's attempt; submit it if it has just begun.

        Begin and submit a new one if there is none or the last is over.
        """
        last = job.attempt
        known = server.comfyui.find(last.id) if last and not over and not has_begun else None
        if known is None and not has_begun:
            begin(job, server, over or (self._lost(job) if last else FIRST), self._clock)
            self._look_after(job, server)
        elif known is not None:
            if known.is_finished:
                return known
            if job.status_reason or job.queue:
                job.resume(queue_position=known.position, now=self._clock())
        attempt_id = job.attempts[-1].id
        with server.comfyui.events(attempt_id) as events:
            if known is None:
                submit(job, server.comfyui, self._clock)
            until = min(until, job.deadline_at)
            report = Reporter(job, self._clock)
            try:
                return server.comfyui.follow(attempt_id, events, until=until, report=report)
            except NoProgress as stop:
                return self._completion.give_up(job, server, stop)

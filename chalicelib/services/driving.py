"""`advance`: the one state machine of a job. API, worker and keeper all drive jobs with it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from uuid import uuid4

from chalicelib.errors import (
    AttemptOver,
    ComfyUIUnavailable,
    ComfyUIUnreachable,
    GenerationFailed,
    GpuNotReady,
    LeaseLost,
    NotItsTurn,
    OutOfBudget,
    Stalled,
    StoreFailed,
)
from chalicelib.models import line
from chalicelib.models.job_status import BUDGET_EXHAUSTED, QUEUED, STARTING
from chalicelib.services import telling
from chalicelib.services.attempts import begin, lost, note_run, submit
from chalicelib.services.failures import (
    COMFYUI_UNREACHABLE,
    GPU_NOT_READY,
    INTERNAL_ERROR,
    STORE_FAILED,
    deadline_exceeded,
    described,
)
from chalicelib.services.progress import LEASE_SECONDS, Reporter

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.gateways.comfyui_state import State
    from chalicelib.models.job import Job
    from chalicelib.services.clearing import Clearing
    from chalicelib.services.dispatching import Dispatch
    from chalicelib.services.server import Server
    from chalicelib.services.settling import Settling

log = logging.getLogger("darkroom.driving")

LEASE_GRACE_SECONDS = 15  # a driver's own deadline is earlier, so that it can store and finish
_RETRY_SECONDS = 5
_LATE_SECONDS = 60  # for storing an image that was ready before the deadline


class Driver:
    """Moves jobs on; whatever it raises, the job is left for the next driver to go on with."""

    def __init__(
        self,
        dispatch: Dispatch,
        settling: Settling,
        clearing: Clearing,
        clock: Callable[[], float],
    ) -> None:
        self._dispatch = dispatch
        self._settling = settling
        self._clearing = clearing
        self._clock = clock

    def advance(self, job: Job, *, until: float, lease: str | None = None) -> None:
        """Move a job as far as it goes before `until`: to its end, or to when it is next due.

        `lease` is given by who accepted the job under it; else the job is claimed first, which
        raises JobBusy or JobFinished.
        """
        if lease is None:
            now = self._clock()
            job.claim(uuid4().hex, now=now, until=now + LEASE_SECONDS)
        try:
            self._advance(job, until)
        except LeaseLost:
            log.warning("another took over", extra={"job_id": job.id})
            job.refresh(consistent_read=True)
            if not job.is_open:
                self._clearing.ended(job)

    def _advance(self, job: Job, until: float) -> None:
        try:
            self._drive(job, until)
        except NotItsTurn as wait:
            self._line_up(job, wait)
        except GpuNotReady as wait:
            place = line.take_place(job, now=self._clock())
            due_at = self._due_at(job, wait.retry_seconds)
            job.put_back(STARTING, str(wait), due_at=due_at, waits_for=GPU_NOT_READY, place=place)
        except ComfyUIUnreachable as wait:
            due_at = self._due_at(job, _RETRY_SECONDS)
            job.fall_silent(str(wait), now=self._clock(), due_at=due_at)
        except ComfyUIUnavailable as wait:
            self._put_back(job, wait, _RETRY_SECONDS, COMFYUI_UNREACHABLE)
        except StoreFailed as wait:
            self._put_back(job, wait, _RETRY_SECONDS, STORE_FAILED)
        except AttemptOver as over:
            self._put_back(job, over, over.retry_seconds, spent=str(over))
        except GenerationFailed as failure:
            job.fail(described(failure), now=self._clock())
            telling.ended(job)
            self._clearing.ended(job)
        except LeaseLost:
            raise
        except Exception:
            reason = "an internal error; it is tried again"
            self._put_back(job, reason, _RETRY_SECONDS, INTERNAL_ERROR)
            raise

    def _line_up(self, job: Job, wait: NotItsTurn) -> None:
        """Have a job wait in the line until it is called."""
        place = line.take_place(job, now=self._clock())
        why = BUDGET_EXHAUSTED if isinstance(wait, OutOfBudget) else None
        job.put_back(QUEUED, str(wait), due_at=job.deadline_at, waits_for=why, place=place)
        if why is None:
            self._dispatch.look_again()
            self._dispatch.grow()

    def _put_back(
        self,
        job: Job,
        reason: object,
        delay_seconds: int,
        waits_for: str | None = None,
        *,
        spent: str | None = None,
    ) -> None:
        due_at = self._due_at(job, delay_seconds)
        job.put_back(job.status, str(reason), due_at=due_at, waits_for=waits_for, spent=spent)

    def _due_at(self, job: Job, delay_seconds: int) -> float:
        """Come back after a delay, or at the deadline if that is sooner."""
        now = self._clock()
        due_at = now + delay_seconds
        return min(due_at, job.deadline_at) if now < job.deadline_at else due_at

    def _drive(self, job: Job, until: float) -> None:
        if self._clock() >= job.deadline_at:
            return self._end_late(job)
        server = self._dispatch.seat(job)
        spent: str | None = job.spent
        while True:
            state = self._run(job, server, until, spent)
            if state is None:
                spent = lost(job)
            elif state.is_finished:
                spent = self._settling.settle(job, server, state)
            elif self._clock() >= job.deadline_at:
                raise deadline_exceeded(job, now=self._clock())
            else:
                return job.put_back(job.status, None, due_at=self._clock())
            if spent is None:
                return None

    def _end_late(self, job: Job) -> None:
        """Take what is ready all the same: it may be done, and nobody was there to see it."""
        is_hopeless = self._clock() >= job.deadline_at + _LATE_SECONDS
        try:
            if is_hopeless or not self._is_done(job):
                raise deadline_exceeded(job, now=self._clock())
        except ComfyUIUnreachable as silence:
            raise deadline_exceeded(job, now=self._clock()) from silence

    def _is_done(self, job: Job) -> bool:
        server = self._dispatch.at_work(job)
        state = server.comfyui.find(job.attempts[-1].id) if server and not job.spent else None
        if not (server and state and state.is_finished):
            return False
        if state.failure:
            note_run(job, state)
            return False
        return self._settling.settle(job, server, state) is None

    def _run(self, job: Job, server: Server, until: float, spent: str | None) -> State:
        """Follow the job's attempt; submit a new one if there is none or the last is `spent`."""
        last = job.attempt
        known = server.comfyui.find(last.id) if last and not spent else None
        if known is None:
            begin(job, server, spent or (lost(job) if last else "first"), self._clock)
            self._dispatch.watch(job)
        elif known.is_finished:
            return known
        elif job.status_reason or job.line:
            job.resume(queue_position=known.position)
        attempt_id = job.attempts[-1].id
        with server.comfyui.events(attempt_id) as events:
            if known is None:
                submit(job, server.comfyui, self._clock)
            until = min(until, job.deadline_at)
            report = Reporter(job, self._clock)
            try:
                return server.comfyui.follow(attempt_id, events, until=until, report=report)
            except Stalled as stall:
                return self._settling.give_up(job, server, stall)

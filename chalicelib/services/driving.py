"""`advance`: the one state machine of a job. API, worker and keeper all drive jobs with it."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from uuid import uuid4

from chalicelib.config import config
from chalicelib.errors import (
    ComfyUIUnavailable,
    ComfyUIUnreachable,
    GenerationFailed,
    GpuNotReady,
    LeaseLost,
    StoreFailed,
    WorkflowRejected,
)
from chalicelib.models.job import STARTING, Attempt, Job
from chalicelib.services.failures import deadline_exceeded, described, rejected
from chalicelib.services.progress import Reporter
from chalicelib.workflows import TEXT_TO_IMAGE, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.gateways.comfyui import ComfyUI
    from chalicelib.gateways.comfyui_state import Finished, ImageFile, State
    from chalicelib.gateways.image_store import ImageStore
    from chalicelib.services.fleet import Fleet, Server

log = logging.getLogger("darkroom.driving")

MAX_ATTEMPTS = 3
_LOST = "ComfyUI no longer knew it"
# An attempt of this reason does not count: the one before it was never begun, and may well
# have been lost by the fault of another.
_NEVER_RAN = "ComfyUI forgot it while it waited in its queue"
LEASE_GRACE_SECONDS = 15  # a driver's own deadline is earlier, so that it can store and finish
_RETRY_SECONDS = 5


class Driver:
    """Moves jobs on; whatever it raises, the job is left for the next driver to go on with."""

    def __init__(self, fleet: Fleet, images: ImageStore, clock: Callable[[], float]) -> None:
        self._fleet = fleet
        self._images = images
        self._clock = clock

    def advance(self, job: Job, *, until: float, lease: str | None = None) -> None:
        """Move a job as far as it goes before `until`: to its end, or to when it is next due.

        `lease` is given by who accepted the job under it; else the job is claimed first, which
        raises JobBusy or JobFinished.
        """
        if lease is None:
            job.claim(uuid4().hex, now=self._clock(), until=until + LEASE_GRACE_SECONDS)
        try:
            self._drive(job, until)
        except LeaseLost:
            log.warning("another driver took over", extra={"job_id": job.id})
            job.refresh(consistent_read=True)
        except GpuNotReady as wait:
            self._put_back(job, STARTING, str(wait), wait.retry_seconds)
        except (ComfyUIUnavailable, ComfyUIUnreachable, StoreFailed) as wait:
            self._put_back(job, job.status, str(wait), _RETRY_SECONDS)
        except GenerationFailed as failure:
            self._fail(job, failure)
        except Exception:
            self._put_back(job, job.status, "an internal error; it is tried again", _RETRY_SECONDS)
            raise

    def _put_back(self, job: Job, status: str, reason: str | None, delay_seconds: int) -> None:
        try:
            job.put_back(status, reason, due_at=self._clock() + delay_seconds)
        except LeaseLost:
            job.refresh(consistent_read=True)

    def _fail(self, job: Job, failure: GenerationFailed) -> None:
        try:
            job.fail(described(failure), now=self._clock())
        except LeaseLost:
            job.refresh(consistent_read=True)

    def _drive(self, job: Job, until: float) -> None:
        if self._clock() > job.created_at + config.job_deadline_seconds:
            raise deadline_exceeded(job)
        server = self._server(job)
        spent: str | None = None
        while True:
            state = self._run(job, server.comfyui, server.instance.id, until, spent)
            if state is None:
                spent = _lost(job)
            elif state.is_finished:
                spent = self._settle(job, server.comfyui, state)
            else:
                return self._put_back(job, job.status, None, 0)
            if spent is None:
                return None

    def _server(self, job: Job) -> Server:
        """Prefer the instance that may have the job already."""
        at_work = self._fleet.server(job.attempt.instance_id) if job.attempt else None
        return at_work or self._fleet.acquire()

    def _run(
        self, job: Job, comfyui: ComfyUI, instance_id: str, until: float, spent: str | None
    ) -> State:
        """Follow the job's attempt; submit a new one if there is none or the last is `spent`."""
        last = job.attempt
        known = comfyui.find(last.id) if last and not spent else None
        if known and known.is_finished:
            return known
        is_new = known is None
        if is_new:
            reason = spent or (_lost(job) if last else "first")
            self._begin(job, comfyui, instance_id, reason)
        attempt_id = job.attempts[-1].id
        with comfyui.events(attempt_id) as events:
            if is_new:
                self._submit(job, comfyui)
            report = Reporter(job, self._clock)
            return comfyui.follow(attempt_id, events, until=until, report=report)

    def _begin(self, job: Job, comfyui: ComfyUI, instance_id: str, reason: str) -> None:
        counted = [each for each in job.attempts if each.reason != _NEVER_RAN]
        if len(counted) == MAX_ATTEMPTS and reason != _NEVER_RAN:
            raise GenerationFailed(
                f"given up after {MAX_ATTEMPTS} attempts; the last ended because {reason}",
                code="attempts_exhausted",
            )
        attempt = Attempt(  # type: ignore[no-untyped-call]  # PynamoDB's metaclass
            id=f"{job.id}-{len(job.attempts) + 1}",
            instance_id=instance_id,
            started_at=self._clock(),
            reason=reason,
        )
        job.begin_attempt(attempt, queue_position=comfyui.queue_length())

    def _submit(self, job: Job, comfyui: ComfyUI) -> None:
        attempt_id = job.attempts[-1].id
        template = load(TEXT_TO_IMAGE)
        # A folder for each job: ComfyUI lists the folder at every save. A prefix for each
        # attempt: ComfyUI would answer a repeated graph with the file of the first.
        prefix = f"darkroom/{job.id}/{attempt_id}"
        graph = template.render({**job.parameters, "filename_prefix": prefix})
        try:
            comfyui.submit(attempt_id, graph)
        except WorkflowRejected as refusal:
            raise rejected(refusal, template) from refusal

    def _settle(self, job: Job, comfyui: ComfyUI, end: Finished) -> str | None:
        """Bring the job to its end; return why not if the attempt has to be repeated."""
        if end.failure and end.failure.kind == "interrupted":
            return end.failure.error
        if end.failure:
            raise GenerationFailed(end.failure.error, code=end.failure.kind)
        files = [
            file for file in end.images.get(load(TEXT_TO_IMAGE).output, []) if file.type == "output"
        ]
        if not files:
            raise GenerationFailed("ComfyUI finished without an image", code="no_image")
        stored = [self._store(job, comfyui, file, index) for index, file in enumerate(files)]
        if None in stored:
            return "its image had vanished from ComfyUI"
        job.succeed([image for image in stored if image], now=self._clock())
        return None

    def _store(
        self, job: Job, comfyui: ComfyUI, file: ImageFile, index: int
    ) -> dict[str, str] | None:
        suffix = PurePosixPath(file.filename).suffix
        key = f"images/{job.id}/{index}{suffix}"
        with comfyui.image(file) as content:
            if content is None:
                return None
            self._images.put(key, *content)
        return {"id": f"{job.id}-{index}", "key": key}


def _lost(job: Job) -> str:
    return _NEVER_RAN if job.queue_position else _LOST

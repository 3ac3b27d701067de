"""Accepting requests: composed, written down, made known to a worker, and then driven here."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from msgspec import UNSET, Struct, UnsetType, structs
from ulid import ULID

from chalicelib.errors import InvalidRequest, JobBusy, JobFinished, NotFound
from chalicelib.models import line
from chalicelib.models.acceptance import accept, replay
from chalicelib.models.catalog import FORMATS, SETTINGS, STYLES
from chalicelib.models.catalog_item import Catalog
from chalicelib.models.job import Job
from chalicelib.models.job_index import LINE
from chalicelib.models.job_status import STARTING
from chalicelib.schemas.generation import GenerateRequest, Parameters
from chalicelib.services import telling
from chalicelib.services.composition import compose, defaults_from, seeds
from chalicelib.services.driving import LEASE_GRACE_SECONDS, Driver

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.models.daily_images import Allowance
    from chalicelib.services.fleet import Fleet
    from chalicelib.services.waking import Waker

_WATCH_SECONDS = 0.5

log = logging.getLogger("darkroom.generation")


class Order(Struct, frozen=True):
    """A valid request and how its caller wants it served; `wait_seconds` 0 is asynchronously."""

    request: GenerateRequest
    wait_seconds: int
    fingerprint: str
    owner: str = "nobody"
    allowance: Allowance | None = None
    key: str | None = None
    count: int = 1
    post_id: str | None = None


class Generation:
    """The use case behind `generate` and `generate_images`."""

    def __init__(
        self,
        fleet: Fleet,
        driver: Driver,
        waker: Waker,
        *,
        checkpoint: str,
        clock: Callable[[], float],
        pause: Callable[[float], None],
        random_seed: Callable[[], int],
    ) -> None:
        self._fleet = fleet
        self._driver = driver
        self._waker = waker
        self._checkpoint = checkpoint
        self._clock = clock
        self._pause = pause
        self._random_seed = random_seed

    def submit(self, order: Order) -> list[Job]:
        """Accept an order, or find what its key accepted before, and drive it for the wait.

        Raise InvalidRequest, IdempotencyConflict, TooManyRequests, or ComfyUIUnavailable: then
        nothing was accepted.
        """
        lease, until = uuid4().hex, self._clock() + order.wait_seconds
        jobs = replay(order.owner, order.key, order.fingerprint) if order.key else None
        if jobs is None:
            self._fleet.check()
            made = self._jobs(order, lease, until)
            jobs = self._accept(order, made)
            if jobs is made:
                telling.accepted(jobs)
                self._announce(jobs, order.wait_seconds)
        if order.wait_seconds:
            self._drive([job for job in jobs if job.is_open], lease, until)
        return jobs

    def _jobs(self, order: Order, lease: str, until: float) -> list[Job]:
        now = self._clock()
        inline = {"lease": lease, "due_at": until + LEASE_GRACE_SECONDS}
        jobs = [
            Job.new(
                str(ULID()),
                now=now,
                owner=order.owner,
                post_id=order.post_id,
                style_id=None if order.request.style_id is UNSET else order.request.style_id,
                parameters=structs.asdict(parameters),
                **(inline if order.wait_seconds else {"due_at": now, "line": LINE}),
            )
            for parameters in self._parameters(order)
        ]
        if not order.wait_seconds:
            for job, place in zip(jobs, line.take_places(jobs, now=now), strict=True):
                job.place = place
        return jobs

    def _parameters(self, order: Order) -> list[Parameters]:
        request = order.request
        style = _chosen(STYLES, request.style_id, "style_id")
        size = _chosen(FORMATS, request.format_id, "format_id")
        settings = (fields for _, fields in SETTINGS.items())
        defaults = {"checkpoint": self._checkpoint, **defaults_from(settings)}
        return [
            compose(request, style=style, size=size, defaults=defaults, seed=seed)
            for seed in seeds(request.seed, order.count, self._random_seed())
        ]

    def _accept(self, order: Order, made: list[Job]) -> list[Job]:
        """Store what was made, or find what the same key stored a moment earlier."""
        if not order.allowance:
            return accept(made, order.key, order.fingerprint)
        now = self._clock()
        order.allowance.take(len(made), now=now)
        # After an error nobody knows whether they are stored, so that they count.
        jobs = accept(made, order.key, order.fingerprint)
        if jobs is not made:
            order.allowance.give_back(len(made), now=now)
        return jobs

    def _announce(self, jobs: list[Job], wait_seconds: int) -> None:
        # Should this process die, the message finds the lease expired and a worker goes on.
        spare_seconds = LEASE_GRACE_SECONDS + 1 if wait_seconds else 0
        for job in jobs:
            self._waker.wake(job.id, at=self._clock() + wait_seconds + spare_seconds)

    def _drive(self, jobs: list[Job], lease: str, until: float) -> None:
        if len(jobs) == 1:
            return self._drive_one(jobs[0], lease, until)
        with ThreadPoolExecutor(max_workers=max(len(jobs), 1)) as pool:
            list(pool.map(lambda job: self._drive_one(job, lease, until), jobs))
        return None

    def _drive_one(self, job: Job, lease: str, until: float) -> None:
        """Drive a job, or wait for who does, as long as its caller waits.

        What goes wrong here is for a worker to go on with: the job is accepted.
        """
        self._advance(job, until, lease if job.lease == lease else None)
        while job.is_open and job.status != STARTING and self._clock() < until:
            self._pause(_WATCH_SECONDS)
            self._refresh(job)
            if job.is_open and job.due_at <= self._clock():
                self._advance(job, until, None)

    def _refresh(self, job: Job) -> None:
        try:
            job.refresh(consistent_read=True)
        except Exception:  # it is accepted, whatever happens to this look at it
            log.exception("not read", extra={"job_id": job.id})

    def _advance(self, job: Job, until: float, lease: str | None) -> None:
        try:
            self._driver.advance(job, until=until, lease=lease)
        except (JobBusy, JobFinished):
            return
        except Exception:
            log.exception("inline driving failed", extra={"job_id": job.id})
        if job.is_open and not job.waits_in_line:
            self._waker.wake(job.id, at=job.due_at)


def _chosen(catalog: Catalog, item_id: int | UnsetType, field: str) -> dict[str, Any] | None:
    if item_id is UNSET:
        return None
    try:
        return catalog.get(item_id)
    except NotFound as missing:
        raise InvalidRequest(
            str(missing), field=field, suggestion=f"List them at /api/images/{catalog.name}"
        ) from missing

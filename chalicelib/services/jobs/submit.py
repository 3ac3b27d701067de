"""Accept requests: compose the parameters, store the jobs, and send their messages."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from msgspec import UNSET, Struct, UnsetType, structs
from ulid import ULID

from chalicelib.errors import (
    IdempotencyConflict,
    InvalidRequest,
    NotFound,
    Overloaded,
    TooManyRequests,
)
from chalicelib.models.catalogs.budget_mark import settings_and_mark
from chalicelib.models.catalogs.catalog import FORMATS, STYLES
from chalicelib.models.catalogs.item import Catalog
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.acceptance import Claim, accept, is_alone, replay
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.parameters import units_of
from chalicelib.models.jobs.priority import INTERACTIVE
from chalicelib.models.keys.allowance import Allowance, Work
from chalicelib.schemas.generation import GenerateRequest, Parameters
from chalicelib.services.billing.budget import Budget
from chalicelib.services.gpus.demand import Demand
from chalicelib.services.gpus.inventory import Inventory
from chalicelib.services.jobs import job_metrics
from chalicelib.services.jobs.lease import LEASE_GRACE_SECONDS
from chalicelib.services.jobs.parameters import compose, defaults_from, seeds
from chalicelib.services.together import Together
from chalicelib.signals import ClaimRefused
from chalicelib.workflows import TEXT_TO_IMAGE

T = TypeVar("T")

log = logging.getLogger("darkroom.submit")

_LEAST_WAIT_SECONDS = 0.5  # if less is left, the job is queued for a worker
# Pauses between looks for the jobs of a concurrent request with the same Idempotency-Key, before
# this one is refused.
_LOOK_SECONDS = (0, 0.1, 0.2, 0.3, 0.4)

Defaults = dict[str, Any]


class RunOf(Struct, frozen=True):
    """The run of a schedule that an order is for; `claim` stores it together with the jobs."""

    schedule_id: str
    scheduled_at: str
    claim: Claim


class Order(Struct, frozen=True):
    """A valid request and how its caller wants it served.

    The caller waits for the image until `wait_until`, in seconds since the epoch; 0 means not at
    all. The requests of a batch share `defaults`, so that they are read once.
    """

    request: GenerateRequest
    wait_until: float
    fingerprint: str
    owner: str = "nobody"
    allowance: Allowance | None = None
    key: str | None = None
    priority: str = INTERACTIVE
    defaults: Defaults | None = None
    count: int = 1
    post_id: str | None = None
    run: RunOf | None = None


class Submission:
    """Accepts the jobs of `generate`, `generate_images` and batches."""

    def __init__(
        self,
        inventory: Inventory,
        demand: Demand,
        budget: Budget,
        together: Together,
        *,
        checkpoint: str,
        clock: Callable[[], float],
        pause: Callable[[float], None],
        random_seed: Callable[[], int],
    ) -> None:
        self._inventory = inventory
        self._demand = demand
        self._budget = budget
        self._together = together
        self._checkpoint = checkpoint
        self._clock = clock
        self._pause = pause
        self._random_seed = random_seed

    def accept(self, order: Order, *, meanwhile: Sequence[Callable[[], object]] = ()) -> list[Job]:
        """Store the jobs of an order, or return those that its Idempotency-Key accepted before.

        `meanwhile` is done while the defaults of a new order are read. Raise InvalidRequest,
        IdempotencyConflict, TooManyRequests, BudgetExhausted, Forbidden, ComfyUIUnavailable,
        Overloaded, or for a run ClaimRefused if nothing was accepted, and Unanswered if that is
        unknown.
        """
        if (jobs := self._accepted_before(order)) is not None:
            return jobs
        made = self._compose(order, meanwhile)
        jobs = self._accept(order, made)
        if jobs is made:
            job_metrics.accepted(jobs)
            self._call_followers(jobs)
        return jobs

    def _compose(self, order: Order, meanwhile: Sequence[Callable[[], object]]) -> list[Job]:
        """Return new jobs for an order, unless no GPU can ever make their images."""
        if not meanwhile or not self._inventory.is_known:  # EC2 is asked once, not by each thread
            self._inventory.check()
        if not meanwhile:
            return self._jobs(order)
        works: list[Callable[[], object]]
        works = [self._inventory.check, partial(self._jobs, order), *meanwhile]
        made: list[Job] = self._together(works)[1]
        return made

    def _accepted_before(self, order: Order) -> list[Job] | None:
        if not order.key:
            return None
        return replay(order.owner, order.key, order.fingerprint, now=self._clock())

    def _jobs(self, order: Order) -> list[Job]:
        """Return new jobs for an order: under a lease if its caller waits, else in the queue."""
        now = self._clock()
        is_driven = order.wait_until - now >= _LEAST_WAIT_SECONDS
        request = order.request
        inline = {"lease": uuid4().hex, "due_at": order.wait_until + LEASE_GRACE_SECONDS}
        return [
            Job.new(
                str(ULID()),
                now=now,
                owner=order.owner,
                post_id=order.post_id,
                schedule_id=order.run.schedule_id if order.run else None,
                scheduled_at=order.run.scheduled_at if order.run else None,
                style_id=_given(request.style_id),
                workflow=TEXT_TO_IMAGE,
                priority=_given(request.priority) or order.priority,
                checkpoint=parameters["checkpoint"],
                units=units_of(parameters),
                wait_seconds=_given(request.expires_in_seconds),
                parameters=parameters,
                **(inline if is_driven else {"due_at": now}),
            )
            for parameters in map(structs.asdict, self._parameters(order))
        ]

    def check(self, request: GenerateRequest, count: int) -> Work:
        """Return the work of a request that is made later; raise InvalidRequest if it cannot be."""
        settings, _ = settings_and_mark()
        order = Order(request, 0, "", count=count, defaults=self._with(settings))
        return _work_of([structs.asdict(each) for each in self._parameters(order)])

    def _parameters(self, order: Order) -> list[Parameters]:
        request = order.request
        style = _chosen(STYLES, request.style_id, "style_id")
        size = _chosen(FORMATS, request.format_id, "format_id")
        defaults = order.defaults or self.defaults()
        return [
            compose(request, style=style, size=size, defaults=defaults, seed=seed)
            for seed in seeds(request.seed, order.count, self._random_seed())
        ]

    def defaults(self) -> Defaults:
        """Return the values for fields that a request omits; raise BudgetExhausted."""
        settings, mark = settings_and_mark()
        if mark and mark.is_exhausted(self._budget.dollars, self._clock()):
            raise self._budget.exhausted()
        return self._with(settings)

    def _with(self, settings: list[dict[str, Any]]) -> Defaults:
        return {"checkpoint": self._checkpoint, **defaults_from(settings)}

    def _accept(self, order: Order, made: list[Job]) -> list[Job]:
        """Store the jobs, or return those that a concurrent request with the same key stored."""
        now = self._clock()
        work = _work_of([job.parameters for job in made])
        if is_alone(made, order.key, order.run):
            self._count_and_store(order, made[0], work, now)
        elif stored := self._count(order, work, now):
            return stored
        try:
            _queue(made, now)
        except Exception:
            _give_back(order, work, now)
            raise
        try:
            claim = order.run.claim if order.run else None
            jobs = accept(made, order.key, order.fingerprint, now=now, claim=claim)
        except (IdempotencyConflict, Overloaded, ClaimRefused):
            _give_back(order, work, now)
            raise
        # After any other error it is unknown whether they are stored: the work stays counted.
        if jobs is not made:
            _give_back(order, work, now)
        return jobs

    def _count_and_store(self, order: Order, job: Job, work: Work, now: float) -> None:
        """Count the work, and store the parameters of a job that is stored next."""
        counted = list[Work]()

        def count() -> None:
            if order.allowance:
                order.allowance.take(work, now=now)
            counted.append(work)

        store = job.parameters_item.store
        try:
            if order.allowance and order.allowance.was_refused(now=now):
                count()  # probably refused, so that nothing is stored in vain
                store()
            else:
                self._together([count, store])
        except Exception:
            if counted:
                _give_back(order, work, now)
            raise

    def _count(self, order: Order, work: Work, now: float) -> list[Job] | None:
        """Count the work, or return the jobs of a concurrent request with the same key."""
        try:
            if order.allowance:
                order.allowance.take(work, now=now)
        except TooManyRequests:
            if stored := self._accepted_meanwhile(order):
                return stored
            raise
        return None

    def _accepted_meanwhile(self, order: Order) -> list[Job] | None:
        """Return the jobs of a concurrent request with the same key; None if none appear."""
        for pause in _LOOK_SECONDS if order.key else ():
            self._pause(pause)
            if jobs := self._accepted_before(order):
                return jobs
        return None

    def _call_followers(self, jobs: list[Job]) -> None:
        """Have jobs in the queue followed; the reconciler does it within a minute if this fails."""
        if not jobs[0].queue:
            return
        try:
            self._together([partial(queue.count, len(jobs)), partial(self._demand.tell, len(jobs))])
        except Exception:
            log.exception("no follower could be called for jobs that were accepted")


def _given(value: T | UnsetType) -> T | None:
    return None if isinstance(value, UnsetType) else value


def _give_back(order: Order, work: Work, now: float) -> None:
    if order.allowance:
        order.allowance.give_back(work, now=now)


def _work_of(images: list[dict[str, Any]]) -> Work:
    """Return the work of images with these parameters."""
    pixel_steps = sum(each["width"] * each["height"] * each["steps"] for each in images)
    return Work(len(images), pixel_steps)


def _queue(jobs: list[Job], now: float) -> None:
    """Give sort keys to jobs without a lease."""
    if jobs[0].lease:
        return
    for job, sort_key in zip(jobs, queue.sort_keys(jobs, now=now), strict=True):
        job.enter_queue(sort_key)


def _chosen(catalog: Catalog, item_id: int | UnsetType, field: str) -> dict[str, Any] | None:
    if item_id is UNSET:
        return None
    try:
        return catalog.get(item_id)
    except NotFound as missing:
        raise InvalidRequest(
            str(missing), field=field, suggestion=f"Use an id from /api/images/{catalog.name}"
        ) from missing

"""The jobs of a run, which are stored in one transaction with the run and its number."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.errors import Forbidden
from chalicelib.models.jobs.acceptance import Claim
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.priority import BATCH
from chalicelib.models.keys.allowance import Allowance, Work
from chalicelib.models.keys.api_key import ADMIN, GENERATE, ApiKey
from chalicelib.models.schedules.run import MADE, Run, key_of
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.services.jobs.submit import Order, RunOf, Submission
from chalicelib.services.schedules.requests import Wanted
from chalicelib.services.schedules.timetables import next_run

if TYPE_CHECKING:
    from pynamodb.transactions import TransactWrite

# Pauses before a run is tried again that met another change of its schedule.
PAUSES = (0.0, 0.1, 0.3, 1.0, 3.0)

_MINUTE = 60


class Moment(Struct, frozen=True):
    """The time that a run is for, and the key of its record.

    A run that a caller asks for has no time of the schedule. A run that is made up was `missed`.
    """

    at: float
    key: str
    is_planned: bool = True
    was_missed: bool = False


class Repeat(Struct, frozen=True):
    """An Idempotency-Key, and the fingerprint of the request that has it."""

    key: str | None = None
    fingerprint: str = ""


def planned(at: float) -> Moment:
    """Return the moment of a run at a time of its schedule."""
    return Moment(at, key_of(at))


class RunMaker:
    def __init__(self, submission: Submission, clock: Callable[[], float]) -> None:
        self._submission = submission
        self._clock = clock

    def make(self, schedule: Schedule, moment: Moment, repeat: Repeat | None = None) -> list[Job]:
        """Make the jobs of a run under the key that wrote the schedule last.

        A request with an Idempotency-Key that made jobs before gets those jobs.

        Raise the errors of `generate`, Unauthenticated or Forbidden if the schedule's key may not
        generate, and ClaimRefused if the schedule or the run has changed.
        """
        repeat, wanted = repeat or Repeat(), wanted_of(schedule)
        request = wanted.of_run(int(schedule.number) + 1, moment.at)
        order = Order(
            request,
            wait_until=0,
            fingerprint=repeat.fingerprint,
            owner=schedule.owner,
            allowance=allowance_of(schedule.key_id, now=self._clock()),
            key=repeat.key,
            priority=BATCH,
            count=wanted.count,
            post_id=wanted.post_id,
            run=RunOf(schedule.id, moment.key, self._claim(schedule, moment)),
        )
        return self._submission.accept(order)

    def _claim(self, schedule: Schedule, moment: Moment) -> Claim:
        def claim(writes: TransactWrite, jobs: list[Job]) -> None:
            now, ids = self._clock(), [job.id for job in jobs]
            known = {"number": schedule.number + 1, "job_ids": ids, "started_at": now}
            run = Run.new(schedule.id, moment.key, MADE, now=now, **known)
            run.claim(writes, was_missed=moment.was_missed)
            past = expected(schedule, moment.at) if moment.is_planned else None
            to = None if past is None else next_run(schedule, past)
            schedule.claim_number(writes, ids, past=past, to=to, now=now)

        return claim


def expected(schedule: Schedule, at: float) -> float | None:
    """Return the schedule's next run if it is in the minute of a time: AWS may round seconds."""
    known = schedule.next_run_at
    return float(known) if known is not None and known // _MINUTE == at // _MINUTE else None


def wanted_of(schedule: Schedule) -> Wanted:
    """Return what the runs of a schedule make."""
    content = schedule.content
    return Wanted(
        schedule.id, content.request, content.prompts, schedule.seed_policy, schedule.timezone
    )


def allowance_of(key_id: str, *, now: float) -> Allowance:
    """Return the allowance of a key; raise Unauthenticated or Forbidden if it may not generate."""
    key = ApiKey.valid(key_id, now=now)
    if not {GENERATE, ADMIN} & set(key.granted):
        raise Forbidden(f"this API key lacks the scope {GENERATE!r}")
    return Allowance(key.id, Work.of_day(key.images_per_day, key.megapixel_steps_per_day))

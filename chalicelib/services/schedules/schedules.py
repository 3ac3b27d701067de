"""Schedules: create, replace, pause, resume and delete them, here and in AWS."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from msgspec import Struct
from ulid import ULID

from chalicelib.config import config
from chalicelib.days import DAY_SECONDS
from chalicelib.errors import (
    Conflict,
    InvalidRequest,
    Overloaded,
)
from chalicelib.models.keys.allowance import Allowance
from chalicelib.models.schedules.count import OwnerCount
from chalicelib.models.schedules.creation_key import CreationKey
from chalicelib.models.schedules.schedule import (
    CHANGE_SECONDS,
    Content,
    Schedule,
)
from chalicelib.models.schedules.state import COMPLETED, DELETING, ENABLED, PAUSED
from chalicelib.schemas.schedules import ScheduleRequest
from chalicelib.services.jobs.submit import Submission
from chalicelib.services.schedules.definition import Definition, defined
from chalicelib.services.schedules.making import Repeat
from chalicelib.services.schedules.publisher import Publisher
from chalicelib.services.schedules.requests import Wanted
from chalicelib.services.schedules.timetables import next_run
from chalicelib.signals import ScheduleChanged, ScheduleRefused

# The fields of a change and, if it changes, the content.
Change = tuple[dict[str, Any], Content | None]
Decide = Callable[[Schedule], Change]
Before = tuple[dict[str, Any], Content]

# Pauses before a change is tried again that met another one, which takes part of a second.
_PAUSES = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)


class Author(Struct, frozen=True):
    """The key that writes a schedule, whose owner gets it."""

    key_id: str
    owner: str
    allowance: Allowance


class Schedules:
    def __init__(
        self,
        submission: Submission,
        publisher: Publisher,
        clock: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self._submission = submission
        self._publisher = publisher
        self._clock = clock
        self._pause = pause

    def create(self, body: ScheduleRequest, author: Author, repeat: Repeat) -> Schedule:
        """Store a schedule and tell AWS, or return the one that the Idempotency-Key created.

        Raise InvalidRequest, Forbidden if one run exceeds the key's day, Conflict if the owner has
        too many schedules, IdempotencyConflict, and Overloaded or Unanswered as the tables do.
        """
        if before := self._created_before(author, repeat):
            return before
        now, schedule_id = self._clock(), str(ULID())
        definition = self._checked(body, author, schedule_id, None)
        schedule = _new(schedule_id, definition, author, now)
        OwnerCount.add(author.owner, now=now)
        try:
            schedule.begin(_content(definition.wanted), _creation_key(schedule, repeat))
        except (Overloaded, ScheduleChanged):
            OwnerCount.subtract(author.owner)
            if before := self._created_before(author, repeat):
                return before
            raise
        return self._published(schedule)

    def replace(
        self, schedule_id: str, body: ScheduleRequest, author: Author, *, owner: str | None
    ) -> Schedule:
        """Replace all fields; a schedule that is paused stays so. Raise as `create` and `change`.

        From now on it runs under the author's key. Only times after now count.
        """

        def replaced(schedule: Schedule) -> Change:
            definition = self._checked(body, author, schedule_id, schedule)
            state = PAUSED if schedule.state == PAUSED else ENABLED
            to = {**definition.fields, "key_id": author.key_id, "state": state}
            return to, _content(definition.wanted)

        return self._change(schedule_id, owner, replaced)

    def pause(self, schedule_id: str, note: str | None, *, owner: str | None) -> Schedule:
        """Stop making runs; raise Conflict if the schedule is completed."""

        def paused(schedule: Schedule) -> Change:
            _check_unfinished(schedule)
            return {"state": PAUSED, "pause_note": note}, None

        return self._change(schedule_id, owner, paused)

    def resume(self, schedule_id: str, *, owner: str | None) -> Schedule:
        """Make runs again, from the next time on; raise Conflict if the schedule is completed."""

        def resumed(schedule: Schedule) -> Change:
            _check_unfinished(schedule)
            return {"state": ENABLED, "pause_note": None}, None

        return self._change(schedule_id, owner, resumed)

    def delete(self, schedule_id: str, *, owner: str | None) -> None:
        """Delete a schedule, here and in AWS. Its jobs and their images stay."""
        self._change(schedule_id, owner, lambda _: ({"state": DELETING}, None))

    def _change(self, schedule_id: str, owner: str | None, decide: Decide) -> Schedule:
        for pause in _PAUSES:
            self._pause(pause)
            schedule = Schedule.find(schedule_id, owner=owner)
            to, content = decide(schedule)
            if content is None and to == {name: getattr(schedule, name) for name in to}:
                return schedule  # it is so already, as when `resume` is repeated
            before = _restored(schedule, to)
            try:
                schedule.change(content, now=self._clock(), **_planned(schedule, to, self._clock()))
            except ScheduleChanged:
                continue
            return self._published(schedule, before)
        raise Overloaded("others change this schedule; nothing was changed")

    def _published(self, schedule: Schedule, before: Before | None = None) -> Schedule:
        """Tell AWS; if it refuses the schedule, undo the change and raise InvalidRequest."""
        try:
            self._publisher.publish(schedule, is_new=before is None)
        except ScheduleRefused as refusal:
            self._undo(schedule, before)
            raise InvalidRequest(
                "EventBridge Scheduler does not accept this schedule",
                field="expression",
                suggestion="Write the expression or the time zone in another way",
            ) from refusal
        return schedule

    def _undo(self, schedule: Schedule, before: Before | None) -> None:
        if before is None:
            schedule.withdraw()
            OwnerCount.subtract(schedule.owner)
            return
        fields, content = before
        with suppress(ScheduleChanged, ScheduleRefused):  # the reconciler does what is left
            schedule.change(content, now=self._clock(), is_holder=True, **fields)
            self._publisher.publish(schedule)

    def _created_before(self, author: Author, repeat: Repeat) -> Schedule | None:
        if not repeat.key:
            return None
        known = CreationKey.used_for(
            author.owner, repeat.key, repeat.fingerprint, now=self._clock()
        )
        return Schedule.find(known.schedule_id) if known else None

    def _checked(
        self, body: ScheduleRequest, author: Author, schedule_id: str, before: Schedule | None
    ) -> Definition:
        """Return what a body defines; raise if its runs would always be refused."""
        definition = defined(body, schedule_id, before, now=self._clock())
        wanted = definition.wanted
        try:
            author.allowance.check(self._submission.check(wanted.longest(), wanted.count))
        except InvalidRequest as error:
            if error.field in ("style_id", "format_id", "prompt"):
                error.field = f"request.{error.field}"
            raise
        return definition


def _new(schedule_id: str, definition: Definition, author: Author, now: float) -> Schedule:
    schedule = Schedule(
        schedule_id,
        owner=author.owner,
        key_id=author.key_id,
        state=ENABLED,
        created_at=now,
        written_at=now,
        revision=uuid4().hex,
        changed_until=now + CHANGE_SECONDS,
        **definition.fields,
    )
    schedule.next_run_at = next_run(schedule, now)
    return schedule


def _content(wanted: Wanted) -> Content:
    return Content.new(wanted.schedule_id, wanted.request, wanted.prompts)


def _creation_key(schedule: Schedule, repeat: Repeat) -> CreationKey | None:
    if not repeat.key:
        return None
    return CreationKey(
        CreationKey.id_of(schedule.owner, repeat.key),
        fingerprint=repeat.fingerprint,
        schedule_id=schedule.id,
        expires_at=int(schedule.created_at) + config.job_retention_days * DAY_SECONDS,
    )


def _planned(schedule: Schedule, to: dict[str, Any], now: float) -> dict[str, Any]:
    """Return the fields of a change with those that follow from them."""
    for name, value in to.items():
        setattr(schedule, name, value)
    if to["state"] != ENABLED:
        return {**to, "next_run_at": None}
    run_at = next_run(schedule, now)
    state = COMPLETED if run_at is None else ENABLED
    return {**to, "state": state, "next_run_at": run_at, "written_at": now}


def _restored(schedule: Schedule, to: dict[str, Any]) -> Before:
    """Return what undoes a change."""
    names = {*to, "state", "next_run_at", "written_at"}
    return {name: getattr(schedule, name) for name in names}, schedule.content


def _check_unfinished(schedule: Schedule) -> None:
    if schedule.state == COMPLETED:
        raise Conflict(
            "the schedule is completed: it has no more runs",
            suggestion="Write it with PUT and another expression or end_at",
        )

"""A schedule: when images are made, for whom, and how AWS and the reconciler stand to it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pynamodb.attributes import ListAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import TransactWriteError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.config import config
from chalicelib.errors import NotFound
from chalicelib.models.jobs.indexes import shard_of
from chalicelib.models.json_text import JsonText
from chalicelib.models.schedules.indexes import ByAge, ByDue, ByOwner
from chalicelib.models.schedules.state import COMPLETED, DELETING, ENABLED, IN_AWS
from chalicelib.models.table import (
    REFUSED,
    Table,
    cancellations,
    read_together,
    set_or_remove,
    transaction,
    unavailable,
)
from chalicelib.signals import ScheduleChanged

if TYPE_CHECKING:
    from chalicelib.models.schedules.creation_key import CreationKey

# A writer has this long to tell AWS what it wrote, and begins no call with less time left than
# the call takes with all repetitions: none can change AWS's schedule after the next writer's.
CHANGE_SECONDS = 60
CALL_SECONDS = 30

# AWS delivers a run within its minute or, with its own retries, within the missed window. The
# message of a run may then wait for this long, until the reconciler notes the run as missed.
_LATE_SECONDS = 180


class Schedule(Table):
    """A schedule. Times are seconds since the epoch.

    A change of what AWS has to know gives it another `revision`, and `changed_until` while AWS may
    not know of it; AWS knows the last change since `synced_at`. Runs count from `written_at` on.
    `next_run_at` is the first run that has no record yet. The reconciler looks at the schedule at
    `due_at`. `number` is that of the last run that made jobs, which are `last_job_ids`.
    """

    class Meta:
        table_name = config.schedules_table

    id = UnicodeAttribute(hash_key=True)
    owner = UnicodeAttribute()
    key_id = UnicodeAttribute()
    shard = UnicodeAttribute()
    name = UnicodeAttribute()
    expression = UnicodeAttribute()
    timezone = UnicodeAttribute()
    start_at = NumberAttribute(null=True)
    end_at = NumberAttribute(null=True)
    counts_from = NumberAttribute(null=True)  # a rate's first run
    seed_policy = UnicodeAttribute()
    overlap = UnicodeAttribute()
    missed_window_minutes = NumberAttribute()
    pause_after_failures = NumberAttribute(null=True)
    state = UnicodeAttribute()
    pause_note = UnicodeAttribute(null=True)
    created_at = NumberAttribute()
    written_at = NumberAttribute()
    revision = UnicodeAttribute()
    changed_until = NumberAttribute(null=True)
    synced_at = NumberAttribute(default=0)
    next_run_at = NumberAttribute(null=True)
    number = NumberAttribute(default=0)
    last_job_ids: ListAttribute[Any] = ListAttribute(of=UnicodeAttribute, default=list)
    due_shard = UnicodeAttribute(null=True)
    due_at = NumberAttribute(null=True)

    by_owner = ByOwner()
    by_age = ByAge()
    by_due = ByDue()

    _content: "Content | None" = None
    _claim: "CreationKey | None" = None

    @property
    def content(self) -> "Content":
        """What its runs make; read on first use."""
        if self._content is None:
            self._content = Content.get(content_id(self.id), consistent_read=True)
        return self._content

    @property
    def is_in_aws(self) -> bool:
        """Whether EventBridge Scheduler has to have it."""
        return self.state in IN_AWS

    @classmethod
    def find(cls, schedule_id: str, *, owner: str | None = None) -> "Schedule":
        """Return a schedule and its content, of this owner if one is given, or raise NotFound."""
        kinds: dict[str, type[Table]] = {schedule_id: cls, content_id(schedule_id): Content}
        found = read_together(kinds, consistent=True)
        schedule, content = found.get(schedule_id), found.get(content_id(schedule_id))
        if not (isinstance(schedule, Schedule) and isinstance(content, Content)):
            raise missing(schedule_id)
        if schedule.state == DELETING or owner not in (None, schedule.owner):
            raise missing(schedule_id)
        schedule._content = content
        return schedule

    @classmethod
    def read(cls, schedule_id: str) -> "Schedule | None":
        """Return a schedule in any state, without its content; None if there is none."""
        try:
            return cls.get(schedule_id, consistent_read=True)
        except cls.DoesNotExist:
            return None

    def may_sync(self, now: float) -> bool:
        """Return whether its writer has enough time left to tell AWS of its change."""
        return self.changed_until is not None and now + CALL_SECONDS <= self.changed_until

    def may_be_outdated_in_aws(self, at: float) -> bool:
        """Return whether AWS may not have known the last change at a time."""
        return self.changed_until is not None or at < self.synced_at

    def begin(self, content: "Content", claim: "CreationKey | None") -> None:
        """Store a new schedule; raise ScheduleChanged if the claim was used before.

        Raise Overloaded if nothing is stored, and Unanswered if that is not known.
        """
        self.shard = shard_of(self.id)
        self._note_due()
        with _written_together() as writes:
            writes.save(self)
            writes.save(content)
            if claim:
                writes.save(claim, condition=claim.is_unused(self.created_at))
        self._content, self._claim = content, claim

    def change(
        self,
        content: "Content | None" = None,
        *,
        now: float,
        is_holder: bool = False,
        seconds: float = CHANGE_SECONDS,
        **to: Any,
    ) -> None:
        """Change fields and the content, and begin to tell AWS.

        Raise ScheduleChanged while another writer tells AWS of its change, or if the schedule was
        changed since it was read. The writer of the last change may change it again (`is_holder`).
        The writer has `seconds` to tell AWS; with 0 it leaves that to the reconciler.
        """
        allowed = self._unchanged()
        is_free = Schedule.changed_until.does_not_exist() | (Schedule.changed_until <= now)
        if not is_holder:
            allowed &= is_free
        for name, value in to.items():
            setattr(self, name, value)
        self.revision, self.changed_until = uuid4().hex, now + seconds
        self._note_due()
        names = (*to, "revision", "changed_until", "due_shard", "due_at")
        with _written_together() as writes:
            writes.update(self, actions=self._set(names), condition=allowed)
            if content:
                writes.save(content)
                self._content = content

    def mark_synced(self, *, now: float) -> None:
        """Note that AWS knows the last change, and when it is due next.

        Do nothing if it has been changed or completed meanwhile: AWS has to know that, too.
        """
        is_same = self._unchanged() & (Schedule.state == self.state)
        self.changed_until, self.synced_at = None, now
        self._note_due()
        with suppress(UpdateError):  # AWS is told again
            names = ("changed_until", "synced_at", "due_shard", "due_at")
            self.update_if(is_same, *self._set(names))

    def postpone(self, *, now: float, until: float) -> None:
        """Let the reconciler tell AWS of the last change at a time; others may write now."""
        self.changed_until = now
        self._note_due()
        self.due_at = until
        with suppress(UpdateError):  # then it is due when the time of its writer is over
            names = ("changed_until", "due_shard", "due_at")
            self.update_if(self._unchanged(), *self._set(names))

    def advance(self, *, past: float, to: float | None, now: float) -> bool:
        """Expect the next run `to` once that at `past` has a record; return whether it is done.

        A schedule without a next run is completed; AWS then has to forget it.
        """
        condition = self._unchanged() & (Schedule.next_run_at == past)
        return self.update_if(condition, *self._advanced(to, now))

    def claim_number(
        self,
        writes: TransactWrite,
        job_ids: list[str],
        *,
        past: float | None,
        to: float | None,
        now: float,
    ) -> None:
        """Add to a transaction that a run takes the next number, if nothing changed since.

        `past` and `to` are as in `advance`; without `past` the next run stays the same.
        """
        unchanged = self._unchanged() & (Schedule.number == self.number)
        actions: list[Action] = [
            Schedule.number.set(self.number + 1),
            Schedule.last_job_ids.set(job_ids),
        ]
        if past is not None and self.next_run_at == past:
            unchanged &= Schedule.next_run_at == past
            actions += self._advanced(to, now)
        writes.update(Schedule(self.id), actions=actions, condition=unchanged)

    def forget(self, uncount: Callable[[TransactWrite], None]) -> None:
        """Delete a schedule that AWS has forgotten, and count one less, once."""
        with suppress(ScheduleChanged), _written_together() as writes:
            writes.delete(self, condition=Schedule.state == DELETING)
            writes.delete(Content(content_id(self.id)))
            uncount(writes)

    def withdraw(self) -> None:
        """Delete a new schedule that AWS refuses, which nobody else may change yet."""
        self.delete()
        Content(content_id(self.id)).delete()
        if self._claim:
            self._claim.delete()

    def _unchanged(self) -> Condition:
        unchanged: Condition = Schedule.revision == self.revision
        return unchanged

    def _advanced(self, to: float | None, now: float) -> list[Action]:
        """Return the actions that expect the next run, or complete the schedule without one."""
        self.next_run_at = to
        names = ["next_run_at", "due_shard", "due_at"]
        if to is None:
            # A writer that has begun to tell AWS keeps its time.
            self.state, self.changed_until = COMPLETED, max(now, self.changed_until or 0)
            names += ["state", "changed_until"]
        self._note_due()
        return self._set(names)

    def _set(self, names: "tuple[str, ...] | list[str]") -> list[Action]:
        return [set_or_remove(getattr(Schedule, name), getattr(self, name)) for name in names]

    def _note_due(self) -> None:
        """Set when the reconciler looks at it: when a change should be known, or a run recorded."""
        self.due_at = self.changed_until
        if self.due_at is None and self.state == ENABLED and self.next_run_at is not None:
            self.due_at = self._overdue_at
        self.due_shard = None if self.due_at is None else shard_of(self.id)

    def is_due(self, now: float) -> bool:
        """Return whether the reconciler has to look at it."""
        return self.due_at is not None and self.due_at <= now

    def is_overdue(self, now: float) -> bool:
        """Return whether its next run counts as never delivered."""
        due = self.state == ENABLED and self.next_run_at is not None
        return due and self._overdue_at <= now

    @property
    def _overdue_at(self) -> float:
        window_seconds = 60 * float(self.missed_window_minutes)
        return float(self.next_run_at) + window_seconds + _LATE_SECONDS


class Content(Table):
    """What a schedule's runs make: a request and the prompts, if it has any, that take turns.

    A separate item, as the schedule itself is written with each run.
    """

    class Meta:
        table_name = config.schedules_table

    beside = Schedule

    id = UnicodeAttribute(hash_key=True)
    request = JsonText()
    prompts = JsonText(null=True)

    @classmethod
    def new(cls, schedule_id: str, request: dict[str, Any], prompts: list[str] | None) -> "Content":
        return cls(content_id(schedule_id), request=request, prompts=prompts)


def content_id(schedule_id: str) -> str:
    """Return the id of the item with a schedule's content."""
    return f"content:{schedule_id}"


def missing(schedule_id: str) -> NotFound:
    """Return the error for a schedule that does not exist."""
    return NotFound(f"schedule {schedule_id[:64]!r} does not exist", title="Schedule not found")


@contextmanager
def _written_together() -> Iterator[TransactWrite]:
    """Write all or nothing; raise ScheduleChanged if a condition did not hold."""
    try:
        with transaction() as writes:
            yield writes
    except TransactWriteError as error:
        if passing := unavailable(error):
            raise passing from error
        if REFUSED not in cancellations(error):
            raise
        raise ScheduleChanged("the schedule has changed, or its key was used") from error

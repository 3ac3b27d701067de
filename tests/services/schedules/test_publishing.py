"""What EventBridge Scheduler has follows from the table, whatever fails between the two."""

from typing import Any

import pytest

from chalicelib.config import config
from chalicelib.errors import InvalidRequest, NotFound, Overloaded
from chalicelib.models.schedules.count import OwnerCount
from chalicelib.models.schedules.run import Run
from chalicelib.models.schedules.schedule import CALL_SECONDS, CHANGE_SECONDS, Schedule
from chalicelib.models.schedules.state import DELETING
from chalicelib.services.schedules.making import Repeat
from chalicelib.signals import ScheduleRefused, SchedulerUnavailable
from tests.services.schedules.fakes import Scheduling, body, read


class Killed(BaseException):
    """The function is killed."""


DOWN = SchedulerUnavailable("EventBridge Scheduler did not answer")
REFUSED = ScheduleRefused("Invalid Schedule Expression")


def count() -> int:
    [found] = OwnerCount.scan(OwnerCount.schedules.exists())
    return int(found.schedules)


def test_a_change_is_settled_when_aws_knows_it(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    assert read(schedule).changed_until is None
    [entry] = scheduling.aws.entries.values()
    assert (entry["is_enabled"], entry["is_new"]) == (True, True)
    assert entry["start_at"] == read(schedule).next_run_at


def test_a_schedule_that_aws_did_not_take_is_told_again_by_the_reconciler(
    scheduling: Scheduling,
) -> None:
    scheduling.aws.error = DOWN
    schedule = scheduling.create()
    scheduling.aws.error = None
    scheduling.look()
    assert scheduling.aws.entries == {}, "it is not due yet"
    scheduling.clock.advance(61)
    scheduling.look()
    assert [*scheduling.aws.entries] == [schedule.id]
    assert read(schedule).changed_until is None


def carry_out(change: str, scheduling: Scheduling, schedule: Schedule | None) -> None:
    if schedule is None:
        scheduling.create()
    elif change == "replace":
        scheduling.replace(schedule, expression="rate(7 minutes)")
    elif change == "pause":
        scheduling.schedules.pause(schedule.id, None, owner=None)
    else:
        scheduling.schedules.delete(schedule.id, owner=None)


@pytest.mark.parametrize("change", ["create", "replace", "pause", "delete"])
def test_a_change_whose_writer_is_killed_is_completed_by_the_reconciler(
    scheduling: Scheduling, change: str
) -> None:
    schedule = None if change == "create" else scheduling.create()
    scheduling.aws.error = Killed()
    with pytest.raises(Killed):
        carry_out(change, scheduling, schedule)
    scheduling.aws.error = None
    scheduling.clock.advance(CHANGE_SECONDS)
    scheduling.look()
    entries = list(scheduling.aws.entries.values())
    if change == "delete":
        assert (entries, count(), list(Schedule.scan(Schedule.name.exists()))) == ([], 0, [])
        return
    [entry] = entries
    assert entry["is_enabled"] == (change != "pause")
    assert entry["expression"] == ("rate(7 minutes)" if change == "replace" else "rate(5 minutes)")


def test_a_schedule_that_aws_refuses_is_not_created(scheduling: Scheduling) -> None:
    scheduling.aws.error = REFUSED
    with pytest.raises(InvalidRequest) as refused:
        scheduling.create()
    assert refused.value.field == "expression"
    assert list(Schedule.scan(Schedule.name.exists())) == []
    assert count() == 0


def test_a_change_that_aws_refuses_is_undone(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    before = dict(scheduling.aws.entries)

    puts = scheduling.aws.put
    refusals = iter([REFUSED])

    def put(schedule_id: str, **fields: Any) -> None:
        if error := next(refusals, None):
            raise error
        puts(schedule_id, **fields)

    scheduling.aws.put = put  # type: ignore[method-assign]
    with pytest.raises(InvalidRequest):
        scheduling.replace(schedule, expression="rate(7 minutes)", prompts=["other"])
    stored = read(schedule)
    assert (stored.expression, stored.content.prompts) == ("rate(5 minutes)", ["x"])
    assert stored.changed_until is None
    entry = scheduling.aws.entries[schedule.id]
    assert entry["expression"] == before[schedule.id]["expression"]


def test_what_aws_refuses_later_is_paused_with_a_note(scheduling: Scheduling) -> None:
    scheduling.aws.error = DOWN
    schedule = scheduling.create()
    scheduling.clock.advance(61)

    def put(schedule_id: str, **fields: Any) -> None:
        raise REFUSED

    scheduling.aws.error, scheduling.aws.put = None, put  # type: ignore[method-assign]
    scheduling.look()
    paused = read(schedule)
    assert (paused.state, paused.due_at) == ("paused", None)
    assert "does not accept" in str(paused.pause_note)


def test_a_refusal_of_what_was_before_is_told_as_a_refusal_of_the_change(
    scheduling: Scheduling,
) -> None:
    schedule = scheduling.create()
    scheduling.aws.error = REFUSED
    with pytest.raises(InvalidRequest):
        scheduling.replace(schedule, expression="rate(7 minutes)")
    assert read(schedule).expression == "rate(5 minutes)"


def test_a_refused_creation_leaves_its_idempotency_key_unused(scheduling: Scheduling) -> None:
    repeat = Repeat("key", "fingerprint")
    scheduling.aws.error = REFUSED
    for _ in range(2):
        with pytest.raises(InvalidRequest):
            scheduling.schedules.create(body(), scheduling.author, repeat)
    scheduling.aws.error = None
    assert scheduling.schedules.create(body(), scheduling.author, repeat).state == "enabled"


def test_schedules_can_be_written_while_aws_does_not_answer(scheduling: Scheduling) -> None:
    scheduling.aws.error = DOWN
    schedule = scheduling.create()
    scheduling.schedules.pause(schedule.id, "a", owner=None)
    scheduling.replace(schedule, name="b")
    scheduling.aws.error = None
    scheduling.clock.advance(61)
    scheduling.look()
    assert scheduling.aws.entries[schedule.id]["is_enabled"] is False


@pytest.mark.parametrize(
    "wanted",
    [{"expression": "at(2027-01-15T08:05:00)"}, {"end_at": "2027-01-15T08:07:00Z"}],
    ids=["at", "end_at"],
)
def test_a_schedule_whose_times_passed_while_aws_did_not_answer_is_missed_and_completed(
    scheduling: Scheduling, wanted: dict[str, str]
) -> None:
    scheduling.aws.error = DOWN
    schedule = scheduling.create(**wanted)
    scheduling.clock.advance(2 * 3600)
    scheduling.aws.error = None
    for _ in range(2):
        scheduling.look()
    [run] = Run.newest(schedule.id, 10)
    assert (run.status, run.reason_code) == ("missed", "not_delivered")
    assert (read(schedule).state, scheduling.aws.entries) == ("completed", {})


def test_a_second_writer_waits_until_aws_knows_the_first_change(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    read(schedule).change(now=scheduling.clock())  # a writer that is still at work
    with pytest.raises(Overloaded):
        scheduling.replace(schedule, name="b")
    scheduling.clock.advance(CHANGE_SECONDS)
    assert scheduling.replace(schedule, name="b").name == "b"


def test_a_writer_that_has_little_time_left_leaves_the_call_to_the_reconciler(
    scheduling: Scheduling,
) -> None:
    schedule = read(scheduling.create())
    calls = scheduling.aws.calls
    schedule.change(now=scheduling.clock(), name="b")
    scheduling.clock.advance(CHANGE_SECONDS - CALL_SECONDS + 1)  # its write took long
    scheduling.publisher.publish(schedule)
    assert scheduling.aws.calls == calls
    scheduling.clock.advance(CALL_SECONDS)
    scheduling.look()
    assert scheduling.aws.calls == calls + 1
    assert read(schedule).changed_until is None


def test_a_time_that_only_the_former_expression_has_makes_nothing_when_aws_is_told_late(
    scheduling: Scheduling,
) -> None:
    schedule = scheduling.create()
    former = float(read(schedule).next_run_at)
    scheduling.clock.now = former - 30
    scheduling.aws.error = DOWN
    scheduling.replace(schedule, expression="cron(0 0 1 1 ? *)")
    scheduling.aws.error = None
    scheduling.clock.advance(61)
    scheduling.look()
    scheduling.deliver(schedule, former)
    [run] = Run.newest(schedule.id, 10)
    assert (run.status, run.reason_code) == ("skipped", "changed")


def test_a_schedule_that_is_completed_while_aws_is_told_of_a_change_is_removed_from_aws(
    scheduling: Scheduling,
) -> None:
    schedule = scheduling.create(end_at="2027-01-15T08:07:00Z")
    last = float(read(schedule).next_run_at)
    scheduling.clock.now = last - 1
    puts = scheduling.aws.put

    def put(schedule_id: str, **fields: Any) -> None:
        puts(schedule_id, **fields)
        scheduling.clock.now = last
        scheduling.deliver(schedule, last)

    scheduling.schedules.pause(schedule.id, None, owner=None)
    scheduling.aws.put = put  # type: ignore[method-assign]
    scheduling.schedules.resume(schedule.id, owner=None)
    scheduling.clock.advance(CHANGE_SECONDS)
    scheduling.look()
    assert read(schedule).state == "completed"
    assert scheduling.aws.entries == {}


def test_an_idempotency_key_creates_once_until_it_expires(scheduling: Scheduling) -> None:
    def create() -> str:
        repeat = Repeat("key", "fingerprint")
        return str(scheduling.schedules.create(body(), scheduling.author, repeat).id)

    first = create()
    assert create() == first
    scheduling.clock.advance(config.job_retention_days * 86_400 + 1)
    second = create()
    assert second != first
    assert create() == second
    assert count() == 2


def test_a_schedule_that_is_being_deleted_is_not_found(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    read(schedule).change(now=scheduling.clock(), state=DELETING)
    with pytest.raises(NotFound):
        scheduling.schedules.pause(schedule.id, None, owner=None)


def test_a_completed_schedule_is_removed_from_aws(scheduling: Scheduling) -> None:
    schedule = scheduling.create(end_at="2027-01-15T08:07:00Z")
    last = float(read(schedule).next_run_at)
    scheduling.deliver(schedule, last)
    scheduling.look()
    stored = read(schedule)
    assert (stored.state, stored.next_run_at, stored.due_at) == ("completed", None, None)
    assert scheduling.aws.entries == {}

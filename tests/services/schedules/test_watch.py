"""The reconciler's work on schedules: runs that never came, and the comparison with AWS."""

import json
from typing import Any

import pytest

from chalicelib.gateways.sqs import Undelivered
from chalicelib.models.jobs.job import Job
from chalicelib.models.schedules.comparison import COMPARISON, Comparison
from chalicelib.models.schedules.run import Run, key_of
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.services.schedules.publisher import REFUSED
from chalicelib.signals import SchedulerUnavailable
from tests.services.schedules.fakes import Scheduling, read

# After this time a run of five minutes' rhythm counts as never delivered.
WINDOW = 3600 + 180
DAY = 86_400


def runs(schedule: Schedule) -> list[tuple[str, str | None]]:
    return [(run.status, run.reason_code) for run in Run.newest(schedule.id, 100)]


def undelivered(schedule_id: str, at: str | None, **attributes: str) -> Undelivered:
    content = {"schedule_id": schedule_id, "scheduled_at": at}
    return Undelivered("r", json.dumps(content), attributes)


def test_a_run_that_never_came_is_shown_as_missed(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    first = float(read(schedule).next_run_at)
    scheduling.clock.now = first + WINDOW - 1
    scheduling.look()
    assert runs(schedule) == []
    scheduling.clock.advance(1)
    scheduling.look()
    assert runs(schedule) == [("missed", "not_delivered")]
    assert read(schedule).next_run_at == first + 300


def test_runs_that_came_are_not_missed(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    first = float(read(schedule).next_run_at)
    scheduling.clock.now = first
    scheduling.deliver(schedule, first)
    scheduling.clock.now = first + 299 + WINDOW
    scheduling.look()
    assert runs(schedule) == [("made", None)]


def test_all_runs_that_never_came_are_shown(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    first = float(read(schedule).next_run_at)
    scheduling.deliver(schedule, first + 300)
    scheduling.clock.now = first + 900 + WINDOW
    scheduling.look()
    missed = ("missed", "not_delivered")
    assert runs(schedule) == [missed, missed, ("made", None), missed]
    assert read(schedule).next_run_at == first + 1200


def test_a_message_that_comes_after_all_makes_its_run(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    first = float(read(schedule).next_run_at)
    scheduling.clock.now = first + WINDOW
    scheduling.look()
    scheduling.deliver(schedule, first, late=30)
    scheduling.deliver(schedule, first, late=30)
    assert runs(schedule) == [("made", None)]
    assert len([*Job.scan(Job.schedule_id.exists())]) == 1


def test_the_message_of_the_last_run_makes_it_although_it_counted_as_missed(
    scheduling: Scheduling,
) -> None:
    schedule = scheduling.create(end_at="2027-01-15T08:07:00Z")
    last = float(read(schedule).next_run_at)
    scheduling.clock.now = last + WINDOW
    scheduling.look()
    assert (read(schedule).state, runs(schedule)) == ("completed", [("missed", "not_delivered")])
    scheduling.deliver(schedule, last)
    assert runs(schedule) == [("made", None)]


def test_paused_times_are_not_missed(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    scheduling.schedules.pause(schedule.id, None, owner=None)
    scheduling.clock.advance(DAY)
    scheduling.look()
    scheduling.schedules.resume(schedule.id, owner=None)
    scheduling.look()
    assert runs(schedule) == []
    assert 0 < float(read(schedule).next_run_at) - scheduling.clock() <= 300


def test_a_record_that_did_not_move_the_schedule_on_is_found(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    first = float(read(schedule).next_run_at)
    Run.new(schedule.id, key_of(first), "skipped", now=first).record()  # and then it was killed
    scheduling.clock.now = first + WINDOW
    scheduling.look()
    assert runs(schedule) == [("skipped", None)]
    assert read(schedule).next_run_at == first + 300


def test_one_schedule_with_an_error_does_not_keep_the_others_waiting(
    scheduling: Scheduling,
) -> None:
    broken, good = scheduling.create(), scheduling.create()
    Schedule(broken.id).update([Schedule.expression.set("nonsense")])
    scheduling.clock.now = float(read(good).next_run_at) + WINDOW
    scheduling.look()
    assert runs(good) == [("missed", "not_delivered")]


def test_what_aws_could_not_deliver_is_missed_with_its_error(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    first = float(read(schedule).next_run_at)
    about = {"SCHEDULED_TIME": key_of(first), "ERROR_CODE": "AccessDenied"}
    messages: Any = scheduling.gateways.undelivered_runs
    messages.messages = [
        undelivered(schedule.id, None, **about),
        undelivered(schedule.id, key_of(first + 300)),
        undelivered("no-schedule", key_of(first)),
        Undelivered("r", "rubbish", {}),
        Undelivered("r", "[]", {}),
    ]
    scheduling.schedule_watch.read_undelivered()
    assert messages.messages == []
    [_, run] = Run.newest(schedule.id, 10)
    assert (run.status, run.reason_code) == ("missed", "not_delivered")
    assert "AccessDenied" in str(run.reason)
    assert read(schedule).next_run_at == first + 600


def test_a_message_that_cannot_be_recorded_is_left_and_the_others_are_read(
    scheduling: Scheduling,
) -> None:
    broken, good = scheduling.create(), scheduling.create()
    at = key_of(float(read(good).next_run_at))
    Schedule(broken.id).update([Schedule.expression.set("nonsense")])
    messages: Any = scheduling.gateways.undelivered_runs
    messages.messages = [undelivered(broken.id, at), undelivered(good.id, at)]
    scheduling.schedule_watch.read_undelivered()
    assert len(messages.messages) == 1
    assert runs(good) == [("missed", "not_delivered")]


def test_what_only_aws_has_is_deleted_unless_it_is_new(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    scheduling.aws.entries |= {"old": {}, "new": {}}
    scheduling.aws.created_at |= {
        "old": scheduling.clock() - 3601,
        "new": scheduling.clock() - 3599,
    }
    scheduling.daily_comparison.compare()
    assert scheduling.aws.entries.keys() == {schedule.id, "new"}


def test_what_aws_lacks_is_created_again(scheduling: Scheduling) -> None:
    schedules = {state: scheduling.create() for state in ("enabled", "paused", "completed", "new")}
    scheduling.schedules.pause(schedules["paused"].id, None, owner=None)
    Schedule(schedules["completed"].id).update([Schedule.state.set("completed")])
    scheduling.aws.entries.clear()
    scheduling.clock.advance(3601)
    Schedule(schedules["new"].id).update([Schedule.created_at.set(scheduling.clock())])
    scheduling.daily_comparison.compare()
    wanted = {schedules["enabled"].id: True, schedules["paused"].id: False}
    found = {each: entry["is_enabled"] for each, entry in scheduling.aws.entries.items()}
    assert found == wanted


def test_one_error_does_not_keep_other_differences_from_being_mended(
    scheduling: Scheduling,
) -> None:
    broken, good = scheduling.create(), scheduling.create()
    Schedule(broken.id).update([Schedule.expression.set("nonsense")])
    scheduling.aws.entries.clear()
    scheduling.clock.advance(3601)
    scheduling.daily_comparison.compare()
    assert [*scheduling.aws.entries] == [good.id]


def test_what_aws_refuses_is_not_created_again_each_day(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    paused = [Schedule.state.set("paused"), Schedule.pause_note.set(REFUSED)]
    Schedule(schedule.id).update(paused)
    scheduling.aws.entries.clear()
    scheduling.clock.advance(3601)
    scheduling.daily_comparison.compare()
    assert scheduling.aws.entries == {}


def test_what_is_completed_and_still_in_aws_is_deleted(scheduling: Scheduling) -> None:
    schedule = scheduling.create()
    Schedule(schedule.id).update([Schedule.state.set("completed")])
    scheduling.clock.advance(3601)
    scheduling.daily_comparison.compare()
    assert scheduling.aws.entries == {}


def test_schedules_are_compared_once_a_day_and_after_a_deployment(scheduling: Scheduling) -> None:
    for calls in (1, 1):
        scheduling.daily_comparison.compare_daily()
        assert scheduling.aws.calls == calls
    scheduling.clock.advance(DAY)
    scheduling.daily_comparison.compare_daily()
    assert scheduling.aws.calls == 2
    Comparison(COMPARISON).delete()  # as `make deploy` does
    scheduling.daily_comparison.compare_daily()
    assert scheduling.aws.calls == 3


def test_a_comparison_that_fails_is_repeated(scheduling: Scheduling) -> None:
    scheduling.aws.error = SchedulerUnavailable("it did not answer")
    for _ in range(2):
        with pytest.raises(SchedulerUnavailable):
            scheduling.daily_comparison.compare_daily()
    assert scheduling.aws.calls == 2

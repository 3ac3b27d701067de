"""What is decided from a schedule or a run that has changed since it was read is not written."""

import pytest

from chalicelib.models.schedules.run import Run, key_of
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.services.schedules.making import planned
from chalicelib.services.schedules.runs import record
from chalicelib.signals import ClaimRefused, NotMade, ScheduleChanged
from tests.services.schedules.fakes import Scheduling, read


def test_a_run_of_a_schedule_that_was_written_since_is_not_made(scheduling: Scheduling) -> None:
    stale = Schedule.find(scheduling.create().id)
    at = float(stale.next_run_at)
    scheduling.replace(stale, name="b", prompts=["other"])
    with pytest.raises(ClaimRefused):
        scheduling.run_maker.make(stale, planned(at))
    assert Run.find(stale.id, key_of(at)) is None


def test_a_run_is_not_made_over_a_record_that_was_written_since(scheduling: Scheduling) -> None:
    stale = Schedule.find(scheduling.create().id)
    at = float(stale.next_run_at)
    record(stale, at, NotMade("skipped", "overlap", "jobs are open"), now=at)
    with pytest.raises(ClaimRefused):
        scheduling.run_maker.make(stale, planned(at))
    run = Run.find(stale.id, key_of(at))
    assert run is not None
    assert (run.status, read(stale).number) == ("skipped", 0)


def test_a_schedule_that_was_written_since_is_not_changed(scheduling: Scheduling) -> None:
    stale = read(scheduling.create())
    scheduling.replace(stale, name="b")
    with pytest.raises(ScheduleChanged):
        stale.change(now=scheduling.clock(), name="c")
    assert read(stale).name == "b"


def test_the_next_run_of_a_schedule_that_was_written_since_stays(scheduling: Scheduling) -> None:
    stale = read(scheduling.create(expression="cron(0 0 * * ? *)"))
    first = float(stale.next_run_at)
    scheduling.replace(stale, expression="cron(0 0 * * ? *)", name="b")
    assert not stale.advance(past=first, to=first + 86_400, now=scheduling.clock())
    assert read(stale).next_run_at == first

"""Scenarios of runs and schedules that random examples seldom reach."""

from collections.abc import Iterator

import pytest

from chalicelib.errors import Overloaded
from chalicelib.models.schedules import count
from chalicelib.models.schedules.count import OwnerCount
from chalicelib.models.schedules.run import MADE, MISSED
from chalicelib.models.schedules.schedule import Schedule
from tests.faults.dynamodb import Wire
from tests.faults.run_invariants import RunInvariants
from tests.faults.run_queues import RunMessage
from tests.faults.run_rest import come_to_rest_with_schedules, settle
from tests.faults.run_world import Plan, ScheduleWorld
from tests.faults.scheduler import Outcome, Process

_END = "the end"
_MINUTE = 60
_TRANSACTION = "TransactWriteItems"


class Scenario:
    """Runs processes on one schedule step by step."""

    def __init__(self, world: ScheduleWorld, checks: RunInvariants) -> None:
        self.world, self.checks = world, checks
        self.scheduler = world.scheduler

    def run(self, process: Process, to: str = _END) -> Process:
        """Resume a process until it is about to make the call `to`; fail if it ends before."""
        while process.is_live and not process.at.startswith(to):
            self.next(process, Outcome.DONE)
        assert process.is_live or to == _END, f"the process ended without {to}"
        return process

    def next(self, process: Process, outcome: Outcome) -> None:
        """Give the next call of a process this outcome."""
        self.scheduler.resume(process, outcome)
        self.checks.check_always()

    def commit(self, process: Process) -> Process:
        """Run a process until it is about to make its transaction, which has begun."""
        self.run(process, to=f"{_TRANSACTION} begins")
        self.next(process, Outcome.DONE)
        return process

    def wait(self, minutes: float) -> None:
        self.scheduler.advance_to(self.scheduler.now + minutes * _MINUTE)

    def create(self, plan: Plan) -> str:
        """Create a schedule, and return its id."""
        self.run(self.world.create(plan))
        return next(iter(self.checks.history.schedules))

    def message(self) -> RunMessage:
        """Return the only message that is visible."""
        [message] = self.world.runs.visible()
        return message

    def look(self) -> None:
        self.run(self.world.look())

    def runs(self) -> list[tuple[str, str | None]]:
        """Return what became of each time, in order."""
        runs = self.checks.history.runs
        return [(runs[key].status, runs[key].reason_code) for key in sorted(runs)]

    def stored(self, schedule_id: str) -> Schedule:
        return self.checks.history.schedules[schedule_id]

    def settle(self) -> None:
        settle(self.world, self.checks)
        self.checks.check_schedules_at_rest()

    def rest(self) -> None:
        """Run everything to its end."""
        come_to_rest_with_schedules(self.world, self.checks)
        self.checks.check_at_rest()


@pytest.fixture
def scenario(aws: None, repeatable: None) -> Iterator[Scenario]:
    world = ScheduleWorld()
    with Wire(world.scheduler) as wire:
        checks = RunInvariants(world, wire)
        world.store_key()
        yield Scenario(world, checks)


def test_a_runs_function_that_is_killed_before_its_transaction_is_called_again(
    scenario: Scenario,
) -> None:
    scenario.create(Plan("at 2", window=1))
    scenario.wait(2)
    message = scenario.message()
    scenario.next(scenario.commit(scenario.world.deliver_run(message)), Outcome.CRASHED)
    assert scenario.runs() == []
    scenario.wait(6)  # after which the message is visible again
    scenario.run(scenario.world.deliver_run(message))
    assert scenario.runs() == [(MADE, None)]
    scenario.rest()


def test_a_runs_function_that_is_killed_after_its_transaction_has_made_the_run(
    scenario: Scenario,
) -> None:
    scenario.create(Plan("rate(1 minute)", count=2))
    scenario.wait(1)
    message = scenario.message()
    process = scenario.commit(scenario.world.deliver_run(message))
    scenario.next(process, Outcome.DONE)
    scenario.next(process, Outcome.CRASHED)
    assert scenario.runs() == [(MADE, None)]
    scenario.wait(6)
    scenario.run(scenario.world.deliver_run(message))
    assert scenario.runs() == [(MADE, None)]
    scenario.rest()


@pytest.mark.parametrize("outcome", [Outcome.REPEATED, Outcome.UNANSWERED])
def test_a_run_whose_transaction_is_not_answered_is_made_once(
    scenario: Scenario, outcome: Outcome
) -> None:
    scenario.create(Plan("rate(1 minute)"))
    scenario.wait(1)
    process = scenario.commit(scenario.world.deliver_run(scenario.message()))
    scenario.next(process, outcome)
    scenario.run(process)
    assert scenario.runs() == [(MADE, None)]
    scenario.rest()


def test_two_messages_of_one_time_whose_transactions_conflict_make_one_run(
    scenario: Scenario,
) -> None:
    scenario.create(Plan("rate(1 minute)"))
    scenario.wait(1)
    scenario.world.runs.double(scenario.message())
    first, second = map(scenario.world.deliver_run, scenario.world.runs.visible())
    scenario.commit(first)
    scenario.run(second, to="sleep")
    scenario.run(first)
    scenario.run(second)
    assert scenario.runs() == [(MADE, None)]
    scenario.rest()


def test_two_times_whose_transactions_meet_get_two_numbers(scenario: Scenario) -> None:
    scenario.create(Plan("rate(1 minute)"))
    scenario.wait(2)
    first, second = map(scenario.world.deliver_run, scenario.world.runs.visible())
    scenario.run(second, to=f"{_TRANSACTION} begins")
    scenario.run(first)
    scenario.run(second)
    assert scenario.runs() == [(MADE, None)] * 2
    scenario.rest()


def test_a_schedule_that_is_written_before_the_transaction_of_a_run_has_no_such_run(
    scenario: Scenario,
) -> None:
    schedule_id = scenario.create(Plan("rate(1 minute)"))
    scenario.wait(1.5)
    process = scenario.world.deliver_run(scenario.message())
    scenario.run(process, to=f"{_TRANSACTION} begins")
    scenario.run(scenario.world.replace(schedule_id, Plan("rate(5 minutes)")))
    scenario.run(process)
    assert scenario.runs() == [("skipped", "changed")]
    scenario.rest()


@pytest.mark.parametrize(("verb", "code"), [("pause", "paused"), ("delete", None)])
def test_a_schedule_that_is_stopped_before_the_transaction_of_a_run_has_no_run(
    scenario: Scenario, verb: str, code: str | None
) -> None:
    schedule_id = scenario.create(Plan("rate(1 minute)"))
    scenario.wait(1.5)
    process = scenario.world.deliver_run(scenario.message())
    scenario.run(process, to=f"{_TRANSACTION} begins")
    scenario.run(getattr(scenario.world, verb)(schedule_id))
    scenario.run(process)
    assert scenario.runs() == ([("skipped", code)] if code else [])
    scenario.rest()


def test_a_write_that_is_killed_before_it_tells_aws_is_completed_by_the_reconciler(
    scenario: Scenario,
) -> None:
    schedule_id = scenario.create(Plan("rate(5 minutes)"))
    process = scenario.world.replace(schedule_id, Plan("rate(1 minute)"))
    scenario.next(scenario.run(process, to="eventbridge"), Outcome.CRASHED)
    scenario.wait(1.1)
    scenario.look()
    assert scenario.stored(schedule_id).changed_until is None
    entry = scenario.world.eventbridge.entries[schedule_id]
    assert entry.fields["ScheduleExpression"] == "rate(1 minute)"
    scenario.rest()


def test_a_write_waits_for_a_slow_one_to_tell_aws(scenario: Scenario) -> None:
    schedule_id = scenario.create(Plan("rate(5 minutes)"))
    slow = scenario.run(
        scenario.world.replace(schedule_id, Plan("rate(1 minute)")), to="eventbridge"
    )
    fast = scenario.run(
        scenario.world.replace(schedule_id, Plan("cron(0/2 * * * ? *)")), to="pause"
    )
    scenario.run(slow)
    scenario.run(fast)
    entry = scenario.world.eventbridge.entries[schedule_id]
    assert entry.fields["ScheduleExpression"] == "cron(0/2 * * * ? *)"
    scenario.rest()


@pytest.mark.parametrize("to", ["eventbridge delete", _TRANSACTION, "return"])
def test_a_deletion_that_is_killed_is_completed_by_the_reconciler(
    scenario: Scenario, to: str
) -> None:
    schedule_id = scenario.create(Plan("rate(1 minute)"))
    deletion = scenario.run(scenario.world.delete(schedule_id), to="eventbridge delete")
    scenario.next(scenario.run(deletion, to=to), Outcome.CRASHED)
    scenario.wait(1)
    scenario.look()
    assert (scenario.world.eventbridge.entries, scenario.checks.history.schedules) == ({}, {})
    scenario.rest()


@pytest.fixture
def most_schedules(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(count, "MOST", 2)
    return 2


def count_wrongly(scenario: Scenario, schedules: int) -> None:
    """Have a count that was not changed for long, as after a response that was lost."""
    [counted] = OwnerCount.scan(OwnerCount.schedules.exists())
    counted.update([OwnerCount.schedules.set(schedules)])
    scenario.wait(2)


def test_two_who_correct_a_count_at_once_do_not_create_too_many_schedules(
    scenario: Scenario, most_schedules: int
) -> None:
    scenario.create(Plan("rate(5 minutes)"))
    count_wrongly(scenario, most_schedules)
    slow, fast = (scenario.world.create(Plan("rate(5 minutes)")) for _ in range(2))
    scenario.run(slow, to="Query by_owner")
    scenario.next(slow, Outcome.DONE)
    scenario.run(fast)
    scenario.run(slow)
    assert len(scenario.checks.history.schedules) == most_schedules
    scenario.rest()


def test_a_deletion_while_a_count_is_corrected_is_not_counted_twice(
    scenario: Scenario, most_schedules: int
) -> None:
    schedule_id = scenario.create(Plan("rate(5 minutes)"))
    scenario.run(scenario.world.create(Plan("rate(5 minutes)")))
    count_wrongly(scenario, most_schedules)
    deletion = scenario.world.delete(schedule_id)
    while schedule_id in scenario.checks.history.schedules:
        scenario.next(deletion, Outcome.DONE)
    scenario.run(scenario.world.create(Plan("rate(5 minutes)")))
    scenario.run(deletion)
    scenario.rest()


def test_others_wait_for_the_writer_of_a_schedule_that_is_completed_meanwhile(
    scenario: Scenario,
) -> None:
    schedule_id = scenario.create(Plan("at 1"))
    scenario.wait(0.75)
    slow = scenario.run(scenario.world.replace(schedule_id, Plan("at 1")), to="eventbridge")
    scenario.wait(0.25)
    scenario.run(scenario.world.deliver_run(scenario.message()))
    fast = scenario.run(scenario.world.replace(schedule_id, Plan("rate(5 minutes)")))
    assert isinstance(fast.error, Overloaded)
    scenario.run(slow)
    assert scenario.stored(schedule_id).expression.startswith("at")
    scenario.rest()


def test_a_run_that_counts_as_missed_is_made_when_its_message_comes_after_all(
    scenario: Scenario,
) -> None:
    scenario.create(Plan("at 1", window=1))
    scenario.wait(1)
    message = scenario.message()
    scenario.next(scenario.world.deliver_run(message), Outcome.CRASHED)
    scenario.wait(4)
    scenario.look()
    assert scenario.runs() == [(MISSED, "not_delivered")]
    scenario.wait(2)
    scenario.run(scenario.world.deliver_run(message))
    assert scenario.runs() == [(MADE, None)]
    scenario.rest()


def test_aws_forgets_a_schedule_whose_only_time_passed_before_aws_knew_it(
    scenario: Scenario,
) -> None:
    schedule_id = scenario.create(Plan("rate(5 minutes)"))
    process = scenario.world.replace(schedule_id, Plan("at 1", window=1))
    scenario.next(scenario.run(process, to="eventbridge"), Outcome.CRASHED)
    scenario.wait(1.1)
    for _ in range(6):
        scenario.look()
        scenario.wait(1)
    assert scenario.runs() == [(MISSED, "not_delivered")]
    assert scenario.world.eventbridge.entries == {}
    scenario.rest()


def test_a_message_that_comes_after_all_and_is_refused_is_recorded(scenario: Scenario) -> None:
    scenario.world.most_images = 1
    scenario.world.store_key()
    schedule_id = scenario.create(Plan("at 1", window=1))
    scenario.wait(1)
    message = scenario.message()
    scenario.next(scenario.world.deliver_run(message), Outcome.CRASHED)
    scenario.run(scenario.world.run(schedule_id))
    scenario.wait(6)
    scenario.look()
    scenario.run(scenario.world.deliver_run(message))
    assert scenario.runs() == [(MADE, None), ("refused", "limit_reached")]
    scenario.rest()


@pytest.mark.parametrize("is_made_up_first", [True, False])
def test_a_run_that_is_made_up_while_its_message_comes_is_made_once(
    scenario: Scenario,
    is_made_up_first: bool,  # noqa: FBT001
) -> None:
    schedule_id = scenario.create(Plan("rate(5 minutes)", window=1))
    scenario.wait(5)
    message = scenario.message()
    scenario.next(scenario.world.deliver_run(message), Outcome.CRASHED)
    scenario.wait(6)
    scenario.look()
    assert scenario.runs() == [(MISSED, "not_delivered")]
    made_up = scenario.world.run(schedule_id, message.at)
    delivered = scenario.world.deliver_run(message)
    first, second = (made_up, delivered) if is_made_up_first else (delivered, made_up)
    scenario.run(second, to=f"{_TRANSACTION} begins")
    scenario.run(first)
    scenario.run(second)
    assert scenario.runs() == [(MADE, None)]
    scenario.rest()

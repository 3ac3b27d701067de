"""Scenarios that random examples seldom reach; each of them once failed."""

from collections.abc import Iterator

import pytest

from chalicelib.models.jobs.job import Job
from tests.faults.dynamodb import Wire
from tests.faults.invariants import Invariants
from tests.faults.rest import come_to_rest
from tests.faults.scheduler import Outcome, Process
from tests.faults.world import World
from tests.models.allowances import counted

_END = "the end"


class Scenario:
    """Runs processes step by step in a world with one GPU that is on."""

    def __init__(self, world: World, invariants: Invariants) -> None:
        self.world, self.invariants = world, invariants
        self.scheduler = world.scheduler

    def run(self, process: Process, to: str = _END) -> None:
        """Resume a process until it is about to make the call `to`; fail if it ends before."""
        while process.is_live and to not in process.at:
            self.scheduler.resume(self.scheduler.thread_of(process), Outcome.DONE)
            self.invariants.check_always()
        assert process.is_live or to == _END, f"the process ended without {to}"

    def next(self, process: Process, outcome: Outcome) -> None:
        """Give the next call of a process this outcome."""
        self.scheduler.resume(process, outcome)
        self.invariants.check_always()

    def rest(self) -> list[Job]:
        """Run everything to its end; return the jobs."""
        come_to_rest(self.world, self.invariants)
        self.invariants.check_at_rest()
        return self.invariants.jobs()

    def counted(self, owner: str) -> int:
        return counted(owner, self.scheduler.now)


@pytest.fixture
def scenario(aws: None, repeatable: None) -> Iterator[Scenario]:
    world = World(hosts=1)
    world.hosts[0].start(world.scheduler.now)
    world.scheduler.advance_to(world.scheduler.now + 60)
    with Wire(world.scheduler) as wire:
        yield Scenario(world, Invariants(world, wire))


def test_a_job_write_that_is_repeated_after_the_job_finished_changes_nothing(
    scenario: Scenario,
) -> None:
    caller = scenario.world.request(caller="a", key=None, wait=0)
    scenario.run(caller, to="PutItem jobs 01")
    scenario.next(caller, Outcome.REPEATED)
    scenario.scheduler.advance_to(scenario.scheduler.now + 12)
    scenario.run(scenario.world.reconcile())  # finds that nobody drives the job
    for message in scenario.world.queue.visible():
        scenario.run(scenario.world.deliver(message))
    [job] = scenario.invariants.jobs()
    assert job.status == "succeeded"
    scenario.run(caller)
    assert scenario.world.answers, "the caller got an answer"
    [job] = scenario.rest()
    assert (job.status, len(job.attempts)) == ("succeeded", 1)


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.REPEATED, Outcome.UNANSWERED])
def test_the_slower_of_two_concurrent_requests_with_one_key_gives_its_images_back(
    scenario: Scenario, outcome: Outcome
) -> None:
    first, second = (scenario.world.request(caller=who, key="key2", wait=0) for who in "ab")
    for each in (first, second):
        scenario.run(each, to="TransactWriteItems begins")
    assert scenario.counted("key2") == 4
    scenario.run(first)
    scenario.run(second, to="UpdateItem jobs work:key2")
    scenario.next(second, outcome)
    scenario.run(second)
    assert scenario.counted("key2") == 2
    assert len(scenario.rest()) == 2


def test_concurrent_requests_with_one_key_whose_transactions_conflict_get_the_same_job(
    scenario: Scenario,
) -> None:
    first, second = (scenario.world.request(caller=who, key="key1", wait=0) for who in "ab")
    scenario.run(first, to="TransactWriteItems")
    scenario.next(first, Outcome.DONE)  # the transaction has begun and is not over
    scenario.run(second, to="sleep")
    assert "sleep" in second.at, "it conflicts with the first transaction, and is retried"
    scenario.run(first)
    scenario.run(second)
    assert scenario.world.answers[0] == scenario.world.answers[1]
    assert len(scenario.rest()) == 1


def test_a_transaction_whose_answer_is_lost_is_accepted_once(scenario: Scenario) -> None:
    caller = scenario.world.request(caller="a", key="key2", wait=0)
    scenario.run(caller, to="TransactWriteItems")
    scenario.next(caller, Outcome.DONE)
    scenario.next(caller, Outcome.REPEATED)
    scenario.run(caller)
    assert scenario.counted("key2") == 2
    assert {job.status for job in scenario.rest()} == {"succeeded"}

"""Stories that chance tells too seldom: each is one that went wrong once."""

from collections.abc import Iterator

import pytest

from chalicelib.models.jobs.job import Job
from tests.faults.dynamodb import Wire
from tests.faults.rest import come_to_rest
from tests.faults.scheduler import Fate, Process
from tests.faults.truths import Truths
from tests.faults.world import World
from tests.models.allowances import counted

_END = "the end"


class Story:
    """A world with one GPU that is on, and everybody in it."""

    def __init__(self, world: World, truths: Truths) -> None:
        self.world, self.truths = world, truths
        self.scheduler = world.scheduler

    def run(self, process: Process, to: str = _END) -> None:
        """Let a process go on until it is about to make a call; it fails if it never is."""
        while process.is_live and to not in process.at:
            self.scheduler.resume(process, Fate.DONE)
            self.truths.check_always()
        assert process.is_live or to == _END, f"it ended without {to}"

    def next(self, process: Process, fate: Fate) -> None:
        """Have the call go so that a process is about to make."""
        self.scheduler.resume(process, fate)
        self.truths.check_always()

    def rest(self) -> list[Job]:
        """Let all come to rest; return the jobs."""
        come_to_rest(self.world, self.truths)
        self.truths.check_at_rest()
        return self.truths.jobs()

    def counted(self, owner: str) -> int:
        return counted(owner, self.scheduler.now)


@pytest.fixture
def story(aws: None, same_every_time: None) -> Iterator[Story]:
    world = World(hosts=1)
    world.hosts[0].start(world.scheduler.now)
    world.scheduler.advance_to(world.scheduler.now + 60)
    with Wire(world.scheduler) as wire:
        yield Story(world, Truths(world, wire))


def test_a_job_write_that_is_repeated_after_the_job_finished_changes_nothing(story: Story) -> None:
    caller = story.world.request(caller="a", key=None, wait=0)
    story.run(caller, to="PutItem jobs 01")
    story.next(caller, Fate.REPEATED)
    story.scheduler.advance_to(story.scheduler.now + 12)
    story.run(story.world.reconcile())  # finds that nobody drives the job
    [message] = story.world.queue.visible()
    story.run(story.world.deliver(message))
    [job] = story.truths.jobs()
    assert job.status == "succeeded"
    story.run(caller)
    assert story.world.answers, "it is still alive"
    [job] = story.rest()
    assert (job.status, len(job.attempts)) == ("succeeded", 1)


@pytest.mark.parametrize("fate", [Fate.DONE, Fate.REPEATED, Fate.UNANSWERED])
def test_the_slower_of_two_concurrent_requests_with_one_key_gives_its_images_back(
    story: Story, fate: Fate
) -> None:
    first, second = (story.world.request(caller=who, key="key2", wait=0) for who in "ab")
    for each in (first, second):
        story.run(each, to="TransactWriteItems begins")
    assert story.counted("key2") == 4
    story.run(first)
    story.run(second, to="UpdateItem jobs work:key2")
    story.next(second, fate)
    story.run(second)
    assert story.counted("key2") == 2
    assert len(story.rest()) == 2


def test_concurrent_requests_with_one_key_whose_transactions_conflict_get_the_same_job(
    story: Story,
) -> None:
    first, second = (story.world.request(caller=who, key="key1", wait=0) for who in "ab")
    story.run(first, to="TransactWriteItems")
    story.next(first, Fate.DONE)  # it has begun, and takes its time
    story.run(second, to="sleep")
    assert "sleep" in second.at, "it met the other one"
    story.run(first)
    story.run(second)
    assert story.world.answers[0] == story.world.answers[1]
    assert len(story.rest()) == 1


def test_a_transaction_whose_answer_is_lost_is_accepted_once(story: Story) -> None:
    caller = story.world.request(caller="a", key="key2", wait=0)
    story.run(caller, to="TransactWriteItems")
    story.next(caller, Fate.DONE)
    story.next(caller, Fate.REPEATED)
    story.run(caller)
    assert story.counted("key2") == 2
    assert {job.status for job in story.rest()} == {"succeeded"}

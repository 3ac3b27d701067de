"""A thousand concurrent requests of one key are all accepted, and none waits for the others."""

import pytest

from chalicelib.config import config
from chalicelib.models.jobs.job import Job
from tests.models.allowances import allowance_of
from tests.services.fakes import Parts
from tests.virtual.accepting import CALL_SECONDS, accept_at_once
from tests.virtual.clock import VirtualClock
from tests.virtual.dynamodb import VirtualDynamoDB


@pytest.fixture
def clock(aws: None) -> VirtualClock:
    return VirtualClock()


def test_a_thousand_requests_of_one_key_at_once_are_all_accepted_in_time(
    clock: VirtualClock,
) -> None:
    seconds, calls = accept_at_once(clock, 1000, limit=1000)
    assert len(seconds) == len(list(Job.scan(Job.status.exists()))) == 1000
    assert max(seconds) < 15 * CALL_SECONDS < config.longest_wait_seconds
    # One write counts a request's images, one its jobs in the queue, one asks whether a follower
    # was just called, and up to three take its virtual start time.
    assert calls["UpdateItem"] <= 3 * 1000 + 3 * 1000


def test_no_more_requests_are_accepted_at_once_than_the_limit_of_the_key(
    clock: VirtualClock,
) -> None:
    seconds, _ = accept_at_once(clock, 40, limit=7)
    assert len(seconds) == len(list(Job.scan(Job.status.exists()))) == 7


def test_accepting_a_job_takes_no_more_calls_when_the_queue_is_long(clock: VirtualClock) -> None:
    accept_at_once(clock, 1, limit=1000)
    _, first = accept_at_once(clock, 1, limit=1000)
    accept_at_once(clock, 300, limit=1000)
    _, last = accept_at_once(clock, 1, limit=1000)
    assert last.total() <= first.total()


@pytest.mark.parametrize(
    ("others", "reads", "writes"),
    [([], 2, 4), (["me"], 3, 3), (["me", "you"], 3, 3), (["you"], 3, 4)],
)
def test_accepting_an_asynchronous_job_takes_nine_calls(
    clock: VirtualClock, others: list[str], reads: int, writes: int
) -> None:
    """Or ten, if the queue has jobs of other owners only."""
    parts = Parts(clock=clock)
    for owner in others:
        parts.submit(wait_seconds=0, owner=owner)
    wanted = {"owner": "me", "key": "a", "allowance": allowance_of("one", 9)}
    with VirtualDynamoDB(clock, call_seconds=CALL_SECONDS) as dynamodb:
        parts.submit(wait_seconds=0, **wanted)
    assert dynamodb.calls == {
        "GetItem": 1,
        "Query": reads,  # for the settings, the head of the queue, and the owner's batch jobs
        # To count images and jobs, take a virtual start time, and call a follower if none was.
        "UpdateItem": writes,
        "Scan": 1,  # for an instance that has no follower
        "TransactWriteItems": 1,
    }

"""What polls read about the queue: one item, which a follower or the reader itself keeps."""

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.config import config
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.queue_snapshot import QueueSnapshot
from chalicelib.services.billing.budget import Budget
from chalicelib.services.gpus.queue_snapshots import QueueSnapshots
from tests.gateways.region import Region, fleet_of
from tests.models.failing_dynamodb import stand_in
from tests.models.queueing import enqueue
from tests.services.fakes import Clock

pytestmark = pytest.mark.usefixtures("aws")


class Functions:
    """Functions over one region, each with snapshots of its own."""

    def __init__(self, *states: str) -> None:
        self.clock, self.region = Clock(), Region(*states)

    def snapshots(self, *, dollars: float | None = None, boots: bool = True) -> QueueSnapshots:
        inventory = fleet_of(self.region, clock=self.clock).inventory
        return QueueSnapshots(inventory, Budget(dollars, (), self.clock), self.clock, boots=boots)

    def be_ready(self, name: str = "i-0", **known: Any) -> None:
        record = InstanceRecord(name, **known)
        record.save()
        record.started(now=self.clock())
        record.became_ready(now=self.clock())


@pytest.fixture
def one() -> Functions:
    functions = Functions("running")
    functions.be_ready(execution_seconds=8, boot_seconds=60)
    return functions


@pytest.fixture
def calls() -> Iterator[list[str]]:
    """The calls of DynamoDB."""

    def never(*_: Any) -> Any:
        raise AssertionError

    with stand_in(wanted="no call has this text", fail=never) as client:
        yield client.calls


def test_a_reconciler_stores_the_reason_although_polls_keep_the_snapshot_young() -> None:
    functions = Functions("stopped")
    poller, reconciler = functions.snapshots(), functions.snapshots()
    enqueue("01A", now=functions.clock())
    poller.current()
    reconciler.refresh()
    assert QueueSnapshot.read().reason != "the GPU instance is starting"
    reconciler.renew()
    assert QueueSnapshot.read().reason == "the GPU instance is starting"


def queries(calls: list[str]) -> int:
    found = len([each for each in calls if each in ("Query", "Scan")])
    calls.clear()
    return found


def test_the_snapshot_has_the_head_of_the_queue_and_its_length(one: Functions) -> None:
    jobs = enqueue("a", 130, now=one.clock())
    snapshot = one.snapshots().current()
    assert [snapshot.rank(str(jobs[at].sort_key)) for at in (0, 1, 99)] == [0, 1, 99]
    assert snapshot.rank(str(jobs[120].sort_key)) is None
    assert (snapshot.length, snapshot.is_whole) == (101, False)


def test_a_short_queue_is_known_whole(one: Functions) -> None:
    jobs = enqueue("a", 3, now=one.clock())
    snapshot = one.snapshots().current()
    assert (snapshot.length, snapshot.is_whole) == (3, True)
    later = enqueue("a", 1, now=one.clock())  # after the snapshot was made
    assert snapshot.rank(str(later[0].sort_key)) == 3
    assert snapshot.rank(str(jobs[2].sort_key)) == 2


def test_polls_within_a_second_read_nothing_and_later_ones_one_item(
    one: Functions, calls: list[str]
) -> None:
    enqueue("a", 3, now=one.clock())
    follower, poll = one.snapshots(), one.snapshots()
    follower.refresh()
    poll.current()
    queries(calls)
    for _ in range(5):
        poll.current()
        assert poll.fresh()
    assert queries(calls) == 0
    one.clock.advance(1.1)
    follower.refresh()
    queries(calls)
    assert not poll.fresh()
    poll.current()
    assert queries(calls) == 1


def test_without_a_follower_one_poll_in_two_seconds_reads_the_queue(
    one: Functions, calls: list[str]
) -> None:
    enqueue("a", 3, now=one.clock())
    polls = [one.snapshots() for _ in range(10)]
    reads = 0
    for _ in range(10):  # seconds
        for each in polls:
            calls.clear()
            each.current()
            reads += calls.count("UpdateItem")
        one.clock.advance(1)
    assert 4 <= reads <= 11


def test_a_snapshot_is_at_most_two_seconds_old(one: Functions) -> None:
    queue_snapshots = one.snapshots()
    for count in range(1, 8):
        enqueue("a", now=one.clock())
        one.clock.advance(2)
        assert queue_snapshots.current().length == count


def test_a_follower_makes_the_snapshot_once_in_a_second_however_many_there_are(
    one: Functions, calls: list[str]
) -> None:
    enqueue("a", 3, now=one.clock())
    followers, writes = [one.snapshots() for _ in range(7)], 0
    for _ in range(10):
        for each in followers:
            calls.clear()
            assert each.refresh() == 3
            writes += calls.count("UpdateItem")
        one.clock.advance(1)
    assert writes <= 12  # the length of the queue is counted once as well


def test_the_last_snapshot_of_an_emptied_queue_says_so(one: Functions, calls: list[str]) -> None:
    [job] = enqueue("a", now=one.clock())
    queue_snapshots = one.snapshots()
    assert queue_snapshots.refresh() == 1
    job.delete()
    one.clock.advance(2)
    assert queue_snapshots.refresh() == 0
    assert QueueSnapshot.read().length == 0
    one.clock.advance(60)
    calls.clear()
    assert queue_snapshots.refresh() == 0
    assert "UpdateItem" not in calls  # at rest nothing is written


def test_jobs_wait_for_a_free_slot_while_a_gpu_serves(one: Functions) -> None:
    assert InstanceRecord("i-0").acquire_slot("running", now=one.clock())
    enqueue("a", 2, now=one.clock())
    one.snapshots().refresh()
    found = QueueSnapshot.read()
    assert (found.waits_for, found.reason) == (None, "waiting for a free slot")
    assert (found.served, found.pace_seconds, found.boot_seconds) == (1, 8, 0)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("running", "the GPU instance is booting"),
        ("pending", "the GPU instance is starting"),
        ("stopped", "the GPU instance is starting"),
    ],
)
def test_jobs_are_told_what_the_gpu_does_while_none_serves(state: str, reason: str) -> None:
    functions = Functions(state)
    enqueue("a", now=functions.clock())
    functions.snapshots().refresh()
    found = QueueSnapshot.read()
    assert (found.waits_for, found.reason) == ("gpu_not_ready", reason)
    assert (found.pace_seconds, found.boot_seconds) == (None, None)


def test_jobs_are_told_that_ec2_has_no_capacity() -> None:
    functions = Functions("stopped")
    functions.region.scarce = {"g5.xlarge"}
    enqueue("a", now=functions.clock())
    fleet = fleet_of(functions.region, clock=functions.clock)
    with pytest.raises(Exception, match="no capacity"):
        fleet.scale(least_jobs=1)
    functions.snapshots().refresh()
    reason = str(QueueSnapshot.read().reason)
    assert reason.startswith("waiting for GPU capacity: EC2 has no capacity right now; tried once")


def test_jobs_are_told_that_the_budget_is_used_up(one: Functions) -> None:
    InstanceRecord("i-0").set_budget_end(one.clock())
    enqueue("a", now=one.clock())
    one.snapshots(dollars=1.0).refresh()
    found = QueueSnapshot.read()
    assert found.waits_for == "budget_exhausted"
    assert "the daily budget of 1" in str(found.reason)


def test_the_rest_of_a_boot_is_known_from_earlier_boots() -> None:
    functions = Functions("running")
    functions.be_ready(boot_seconds=60)
    InstanceRecord("i-0").started(now=functions.clock())
    functions.clock.advance(20)
    enqueue("a", now=functions.clock())
    functions.snapshots().refresh()
    assert float(QueueSnapshot.read().boot_seconds or 0) == pytest.approx(28)


def test_a_gpu_at_a_fixed_address_does_not_boot() -> None:
    functions = Functions("running")
    functions.region.can_be_started = False
    functions.region.queues["i-0"] = 0
    enqueue("a", now=functions.clock())
    functions.snapshots(boots=False).refresh()
    assert QueueSnapshot.read().boot_seconds == 0


def test_a_poll_between_two_snapshots_of_a_follower_keeps_what_jobs_wait_for(
    one: Functions,
) -> None:
    enqueue("a", config.slots_per_gpu, now=one.clock())
    one.snapshots().refresh()
    one.clock.advance(5)  # the follower has died
    enqueue("a", now=one.clock())
    found = one.snapshots().current()
    assert (found.length, found.reason) == (config.slots_per_gpu + 1, "waiting for a free slot")


def test_a_poll_whose_snapshot_another_one_stores_first_does_not_read_the_queue_again(
    one: Functions, calls: list[str]
) -> None:
    enqueue("a", 3, now=one.clock())
    first, second = one.snapshots(), one.snapshots()
    known = [QueueSnapshot.read(), QueueSnapshot.read()]
    first.current(known[0])
    assert second.current(known[1]).length == 3
    calls.clear()
    assert second.current(known[1]).length == 3
    assert calls == []

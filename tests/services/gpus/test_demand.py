"""Who gets a message when jobs enter the queue, and who starts a GPU for them."""

from typing import Any

import pytest

from chalicelib.config import config
from chalicelib.errors import NoCapacity
from chalicelib.models.fleet import followers
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.services.gpus.demand import Demand
from chalicelib.services.gpus.messages import Message, Messages
from tests.gateways.region import Region, fleet_of
from tests.models.queueing import enqueue
from tests.services.fakes import Clock, FakeQueue

pytestmark = pytest.mark.usefixtures("aws")

SLOTS = config.slots_per_gpu
CALL_SECONDS = 10  # for which a message to an instance counts as under way


class Functions:
    """The demand of several functions over one region."""

    def __init__(self, *states: str, **how: Any) -> None:
        self.clock, self.queue, self.how = Clock(), FakeQueue(), how
        self.region = Region(*states)

    def demand(self) -> Demand:
        queue: Any = self.queue
        fleet = fleet_of(self.region, clock=self.clock, queue=queue, **self.how)
        return Demand(fleet, Messages(queue, self.clock), self.clock)

    def sent(self) -> list[tuple[str, int]]:
        return self.queue.take()

    def be_ready(self, *names: str) -> None:
        for name in names:
            InstanceRecord(name).started(now=self.clock())
            InstanceRecord(name).became_ready(now=self.clock())

    def follow(self, name: str) -> None:
        now = self.clock()
        assert followers.claim(InstanceRecord(name), f"of {name}", now=now, until=now + 28)

    def fill(self, name: str, slots: int = SLOTS) -> None:
        for number in range(slots):
            assert InstanceRecord(name).acquire_slot(f"{name} {number}", now=self.clock())


@pytest.fixture
def one() -> Functions:
    functions = Functions("running")
    functions.be_ready("i-0")
    return functions


@pytest.fixture
def three() -> Functions:
    functions = Functions(*["running"] * 3)
    functions.be_ready("i-0", "i-1", "i-2")
    return functions


def test_an_instance_without_a_follower_gets_one_for_a_job(one: Functions) -> None:
    one.demand().tell()
    assert one.sent() == [("i-0", 0)]


def test_a_followed_instance_gets_no_message(one: Functions) -> None:
    one.follow("i-0")
    one.demand().tell(200)
    assert one.sent() == []


@pytest.mark.parametrize("how", ["leaves", "died"])
def test_an_instance_whose_follower_leaves_or_died_gets_another_one(
    one: Functions, how: str
) -> None:
    one.follow("i-0")
    if how == "leaves":
        followers.mark_leaving(InstanceRecord("i-0"), "of i-0")
    else:
        one.clock.advance(29)
    one.demand().tell()
    assert one.sent() == [("i-0", 0)]


def test_a_full_instance_without_a_follower_gets_one_as_well(one: Functions) -> None:
    one.fill("i-0")
    one.demand().tell()
    assert one.sent() == [("i-0", 0)]


def test_each_job_has_an_idle_instance_followed_as_it_would_wait_in_a_second_slot(
    three: Functions,
) -> None:
    for jobs, instances in [(1, 1), (2, 2), (3, 3), (99, 3)]:
        three.demand().tell(jobs)
        assert len(three.sent()) == instances
        three.clock.advance(CALL_SECONDS)


def test_a_job_goes_to_an_idle_instance_though_a_followed_one_has_a_free_slot(
    three: Functions,
) -> None:
    three.follow("i-0")
    three.fill("i-0", SLOTS - 1)
    three.fill("i-1", SLOTS - 1)
    three.demand().tell()
    assert three.sent() == [("i-2", 0)]


def test_jobs_beyond_the_idle_instances_take_the_free_slots_of_the_others(
    three: Functions,
) -> None:
    for name in ("i-0", "i-1"):
        three.fill(name, SLOTS - 1)
    three.follow("i-0")
    three.demand().tell(1 + (SLOTS - 1))  # a job for `i-2`, and one for each free slot of `i-0`
    assert three.sent() == [("i-2", 0)]
    three.clock.advance(CALL_SECONDS)
    three.demand().tell(99)
    assert sorted(three.sent()) == [("i-1", 0), ("i-2", 0)]


def test_jobs_that_come_at_once_call_a_follower_once(one: Functions) -> None:
    for _ in range(50):
        one.demand().tell()
    assert one.sent() == [("i-0", 0)]
    one.clock.advance(CALL_SECONDS)  # that message may be lost
    one.demand().tell()
    assert one.sent() == [("i-0", 0)]


def test_a_follower_that_came_and_left_is_called_again_at_once(one: Functions) -> None:
    one.demand().tell()
    one.follow("i-0")
    followers.release(InstanceRecord("i-0"), "of i-0")
    one.sent()
    one.demand().tell()
    assert one.sent() == [("i-0", 0)]


def test_the_instance_with_the_most_free_slots_is_followed_first(three: Functions) -> None:
    three.fill("i-0")
    three.fill("i-1", 1)
    three.demand().tell()
    assert three.sent() == [("i-2", 0)]


def test_a_follower_with_a_free_slot_takes_a_job_and_no_other_one_is_called(
    three: Functions,
) -> None:
    three.follow("i-0")
    three.demand().tell()
    assert three.sent() == []
    three.fill("i-0")
    three.demand().tell()
    [(name, _)] = three.sent()
    assert name in ("i-1", "i-2")


def test_an_instance_that_drains_or_is_unhealthy_gets_no_message(three: Functions) -> None:
    InstanceRecord("i-0").drain(until=three.clock() + 300)
    InstanceRecord("i-1").mark_unhealthy_by("bad", now=three.clock())
    three.demand().tell(99)
    assert three.sent() == [("i-2", 0)]


def test_a_job_that_finds_all_gpus_off_asks_for_a_start_once_at_a_time() -> None:
    functions = Functions("stopped")
    functions.demand().tell()
    assert functions.sent() == [("start", 0)]
    enqueue("a", now=functions.clock())
    functions.region.scarce = {"g5.xlarge"}
    functions.demand().start()  # EC2 refuses; a worker asks again later
    functions.sent()
    functions.demand().tell()
    assert functions.sent() == []


def test_an_instance_that_boots_gets_a_follower_and_no_other_one_is_started() -> None:
    functions = Functions("running", "stopped")
    InstanceRecord("i-0").started(now=functions.clock())
    functions.demand().tell()
    assert functions.sent() == [("i-0", 0)]
    functions.follow("i-0")
    functions.demand().tell()
    assert functions.sent() == []


def test_a_start_of_the_queue_starts_an_instance_and_has_it_followed() -> None:
    functions = Functions("stopped", "stopped")
    enqueue("a", now=functions.clock())
    functions.demand().start()
    assert functions.region.started == ["i-0"]
    assert ("i-0", 0) in functions.sent()
    assert not InstanceRecord.read(":fleet").is_followed(functions.clock())


def test_nothing_is_started_for_an_empty_queue() -> None:
    functions = Functions("stopped")
    functions.demand().start()
    assert (functions.region.started, functions.sent()) == ([], [])


def test_a_start_that_is_put_off_is_tried_again_when_it_is_due_and_not_sooner() -> None:
    functions = Functions("stopped")
    functions.region.scarce = {"g5.xlarge"}
    enqueue("a", now=functions.clock())
    functions.demand().start()
    assert functions.sent() == [("start check", 10)]
    functions.clock.advance(5)
    functions.demand().start()  # another job's message
    assert (len(functions.region.started), functions.sent()) == (1, [])
    functions.region.scarce = set()
    functions.clock.advance(6)
    functions.demand().start()
    assert functions.region.states["i-0"] == "pending"


def test_one_worker_starts_instances_at_a_time() -> None:
    functions = Functions("stopped", "stopped", fleet_max=2)
    enqueue("a", now=functions.clock())
    describe = functions.region.instances

    def described() -> Any:
        if functions.region.asked == 0:
            functions.region.asked += 1
            functions.demand().start()  # meanwhile, another worker
        return describe()

    functions.region.instances = described  # type: ignore[method-assign]
    functions.demand().start()
    assert functions.region.started == ["i-0"]


def test_a_worker_that_dies_while_it_starts_instances_is_replaced() -> None:
    functions = Functions("stopped")
    enqueue("a", now=functions.clock())
    functions.region.refusal = NoCapacity("no capacity")
    functions.follow(":fleet")  # it has the lease, and dies
    functions.demand().start()
    assert functions.region.started == []
    functions.region.refusal = None
    functions.clock.advance(31)
    functions.demand().start()
    assert functions.region.started == ["i-0"]


def test_a_long_queue_starts_more_instances_every_ten_seconds_at_most() -> None:
    functions = Functions("running", "stopped", fleet_max=2)
    functions.be_ready("i-0")
    functions.follow("i-0")
    enqueue("a", 60, now=functions.clock())
    demand = functions.demand()
    functions.region.scarce = {"g5.xlarge"}
    for _ in range(25):
        demand.grow(60)
        functions.clock.advance(1)
    assert len(functions.region.started) == 2
    functions.region.scarce = set()
    functions.clock.advance(30)
    demand.grow(60)
    assert functions.region.states["i-1"] == "pending"


def test_a_fleet_of_one_grows_without_asking_ec2(one: Functions) -> None:
    one.follow("i-0")
    one.demand().grow(60)
    assert (one.region.asked, one.sent()) == (0, [])


def test_the_reconciler_has_instances_with_jobs_followed_whose_message_was_lost(
    three: Functions,
) -> None:
    three.fill("i-0")
    three.fill("i-1")
    three.follow("i-1")
    three.demand().repair()
    assert three.sent() == [("i-0", 0)]
    enqueue("a", now=three.clock())
    three.clock.advance(CALL_SECONDS)
    three.demand().repair()
    assert sorted(three.sent()) == [("i-0", 0), ("i-2", 0)]


def test_the_reconciler_leaves_idle_instances_alone(three: Functions) -> None:
    three.demand().repair()
    assert three.sent() == []


def test_messages_that_sqs_does_not_accept_raise_nothing(one: Functions) -> None:
    one.queue.is_broken = True
    one.demand().tell()
    one.queue.is_broken = False
    one.clock.advance(CALL_SECONDS)
    one.demand().tell()
    assert one.sent() == [("i-0", 0)]


@pytest.mark.parametrize(
    "message", [Message(None), Message("i-0123abcd"), Message("i-0123abcd", is_check=True)]
)
def test_a_message_is_read_as_it_was_written(message: Message) -> None:
    assert Message.read(message.body) == message

"""Which of the first jobs of the queue suits a GPU: loading another checkpoint takes long."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.queue import Waiting
from chalicelib.services.gpus.checkpoints import CheckpointOrder
from tests.virtual.dispatch import LOAD_SECONDS
from tests.virtual.worlds import MortalWorld, statuses, world_of

LONGEST_SECONDS = 20  # for which the head of the queue is passed over
IMAGE_SECONDS = 3.0


def queue_of(checkpoints: str) -> list[Waiting]:
    return [Waiting(f"{index}", f"{index}", each) for index, each in enumerate(checkpoints)]


def ordered(
    checkpoints: str, has: str | None, elsewhere: str = "", *, ages: Sequence[float] = (0,)
) -> str:
    """Return the positions of the jobs as a GPU takes them, after looks at these ages."""
    order = CheckpointOrder(lambda: set(elsewhere))
    record, found = InstanceRecord("i-1", checkpoint=has), ""
    for age in ages:
        taken = order.of(queue_of(checkpoints), record, now=1000.0 + age)
        found = "".join(each.id for each in taken)
    return found


def test_a_gpu_takes_the_first_job_with_its_checkpoint() -> None:
    assert ordered("aabba", "b") == "20134"


def test_a_head_with_the_same_checkpoint_comes_first() -> None:
    assert ordered("babb", "b") == "0123"


def test_the_head_is_passed_over_for_about_a_load_and_then_comes_first() -> None:
    assert ordered("ab", "b", ages=[0, LONGEST_SECONDS - 1]) == "10"
    assert ordered("ab", "b", ages=[0, LONGEST_SECONDS]) == "01"


def test_the_next_head_may_be_passed_over_as_long_as_the_one_before() -> None:
    order = CheckpointOrder(set)
    record = InstanceRecord("i-1", checkpoint="b")
    for now in (0, 25):
        assert next(order.of(queue_of("ab"), record, now=now)).id in "10"
    jobs = queue_of("aab")[1:]  # the old head was taken
    assert next(order.of(jobs, record, now=25)).checkpoint == "b"


def test_a_gpu_that_has_to_load_prefers_what_no_other_gpu_has() -> None:
    assert ordered("aabc", "x", "a") == "2013"
    assert ordered("aabc", None, "a") == "2013"


def test_a_gpu_that_has_to_load_takes_the_head_if_other_gpus_have_all() -> None:
    assert ordered("aab", "x", "ab") == "012"


def test_an_empty_queue_offers_no_job() -> None:
    assert ordered("", "a") == ""


def test_other_gpus_are_not_asked_for_if_all_jobs_have_one_checkpoint() -> None:
    def asked() -> set[str]:
        raise AssertionError("a read of all records")

    order = CheckpointOrder(asked)
    record = InstanceRecord("i-1", checkpoint="b")
    assert [each.id for each in order.of(queue_of("aaa"), record, now=0)] == ["0", "1", "2"]


@given(
    checkpoints=st.text("abc", max_size=20),
    has=st.sampled_from(["a", "b", None]),
    elsewhere=st.text("abc", max_size=3),
    age=st.floats(0, 60),
)
def test_every_job_is_offered_once_and_jobs_of_one_checkpoint_in_their_order(
    checkpoints: str, has: str | None, elsewhere: str, age: float
) -> None:
    order = CheckpointOrder(lambda: set(elsewhere))
    record, jobs = InstanceRecord("i-1", checkpoint=has), queue_of(checkpoints)
    list(order.of(jobs, record, now=0))
    offered = list(order.of(jobs, record, now=age))
    assert sorted(offered) == sorted(jobs)
    for each in "abc":
        same = [job for job in offered if job.checkpoint == each]
        assert same == [job for job in jobs if job.checkpoint == each]


def loads(world: MortalWorld) -> list[list[str]]:
    return [[each[0] for each in gpu.loads] for gpu in world.region.gpus.values()]


def interleaved(world: MortalWorld, count: int) -> list[str]:
    """Queue jobs of two owners, who take turns with different checkpoints."""
    ids = world.queue_up("a", count, checkpoint="a.safetensors")
    ids += world.queue_up("b", count, checkpoint="b.safetensors")
    world.function().demand.tell(len(ids))
    return ids


def test_two_checkpoints_on_two_gpus_are_loaded_once_each() -> None:
    with world_of(2, image_seconds=IMAGE_SECONDS) as world:
        ids = interleaved(world, 10)
        world.run(60)
        assert statuses(ids) == {"succeeded"}
        assert sorted(loads(world)) == [["a"], ["b"]]


def test_one_gpu_loads_two_checkpoints_in_turn_seldom() -> None:
    with world_of(1, image_seconds=IMAGE_SECONDS) as world:
        ids = interleaved(world, 15)
        world.run(200)
        assert statuses(ids) == {"succeeded"}
        assert len(loads(world)[0]) <= 8  # 30 without affinity


def test_a_job_waits_for_a_load_at_most_because_of_its_checkpoint() -> None:
    with world_of(1, image_seconds=IMAGE_SECONDS) as world:
        world.queue_up("a", 60, checkpoint="a.safetensors")
        world.function().demand.tell(60)
        rare: list[str] = []

        def ask() -> None:
            rare.extend(world.request("b", checkpoint="b.safetensors"))

        world.at(10, ask)
        queued_at = world.clock() + 10
        world.run(80)
        [begun_at] = world.begins(rare[0])
        ahead = 2 * IMAGE_SECONDS + 3  # the jobs with slots
        assert begun_at - queued_at <= ahead + LONGEST_SECONDS + LOAD_SECONDS


def test_only_the_first_20_jobs_of_the_queue_are_looked_at() -> None:
    with world_of(1, image_seconds=IMAGE_SECONDS) as world:
        world.queue_up("a", 1, checkpoint="a.safetensors")
        world.queue_up("b", 30, checkpoint="b.safetensors")
        far = world.queue_up("b", 1, checkpoint="a.safetensors")
        world.function().demand.tell(32)
        world.run(30)
        assert loads(world) == [["a", "b"]]
        assert world.begins(far[0]) == []

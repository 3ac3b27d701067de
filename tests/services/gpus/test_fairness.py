"""Fairness between owners, with real followers on a virtual clock."""

from itertools import pairwise

import pytest

from chalicelib.models.jobs.job import Job
from tests.virtual.worlds import MortalWorld, statuses, world_of

IMAGE_SECONDS = 8.0


def order_of(world: MortalWorld, ids: list[str]) -> list[str]:
    """Return jobs in the order in which they began."""
    return sorted(ids, key=lambda each: world.begins(each)[0])


@pytest.mark.parametrize(
    ("gpus", "after"),
    [(1, 0.1), (1, 1), (1, 12.5), (1, 31), (2, 1), (2, 12.5), (7, 1), (7, 12.5)],
)
def test_a_burst_of_200_delays_the_job_of_another_owner_by_few_images(
    gpus: int, after: float
) -> None:
    """Before it come the jobs with slots only: two for each GPU."""
    images = 2
    single: list[str] = []
    with world_of(gpus, image_seconds=IMAGE_SECONDS) as world:
        burst = world.request("a", 200)
        world.at(after, lambda: single.extend(world.request("b")))
        queued_at = world.clock() + after
        world.run(after + images * IMAGE_SECONDS + 2)
        [begun_at] = world.begins(single[0])
        assert begun_at - queued_at <= images * IMAGE_SECONDS + 0.5
        assert sum(bool(world.begins(each)) for each in burst) > gpus


def test_owners_take_turns_and_each_job_is_made_once() -> None:
    with world_of(1, image_seconds=3) as world:
        ids = [each for owner in "abc" for each in world.queue_up(owner, 5)]
        world.function().demand.tell(15)
        world.run(60)
        assert statuses(ids) == {"succeeded"}
        assert [len(world.begins(each)) for each in ids] == [1] * 15
        owners = [str(Job.find(each).owner) for each in order_of(world, ids)]
        assert owners == ["a", "b", "c"] * 5


def test_the_jobs_of_one_owner_begin_in_their_order() -> None:
    with world_of(2, image_seconds=3) as world:
        ids = world.request("a", 9)
        world.run(30)
        begins = [world.begins(each)[0] for each in ids]
        # Two GPUs differ by a moment: no job begins before one that was queued two turns earlier.
        assert all(later > sooner for sooner, later in zip(begins, begins[2:], strict=False))


def test_an_interactive_job_begins_before_the_batch_jobs_of_its_owner() -> None:
    with world_of(1, image_seconds=3) as world:
        batch = world.queue_up("a", 10, priority="batch")
        [urgent] = world.queue_up("a", 1)
        world.function().demand.tell(11)
        world.run(45)
        assert statuses([*batch, urgent]) == {"succeeded"}
        assert order_of(world, [urgent, *batch])[0] == urgent


def test_an_interactive_job_takes_no_turn_from_another_owner() -> None:
    with world_of(1, image_seconds=3) as world:
        batch = world.queue_up("a", 4, priority="batch")
        others = world.queue_up("b", 4)
        [urgent] = world.queue_up("a", 1)
        world.function().demand.tell(9)
        world.run(45)
        owners = [str(Job.find(each).owner) for each in order_of(world, [*batch, *others, urgent])]
        assert [{*owners[turn : turn + 2]} for turn in range(0, 8, 2)] == [{"a", "b"}] * 4


def test_a_gpu_never_has_more_jobs_than_slots_and_its_next_one_before_it_ends() -> None:
    with world_of(1, image_seconds=3) as world:
        ids = world.request("a", 8)
        world.run(30)
        gpu = world.region.gpus["i-00"]
        begins = [gpu.begins[each] for each in gpu.jobs]
        assert len(begins) == len(ids)
        assert [later - sooner for sooner, later in pairwise(begins)] == pytest.approx([3.0] * 7)

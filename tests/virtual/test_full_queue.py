"""100,000 jobs of a thousand owners wait: GPUs stay busy, and a new caller's job is soon made."""

from functools import partial

import pytest

from chalicelib.models.jobs import queue
from tests.virtual.backlog import backlog
from tests.virtual.memory import Saved
from tests.virtual.worlds import MortalWorld, statuses, world_of

JOBS, IMAGE_SECONDS = 100_000, 8.0
SETTLING_SECONDS, WINDOW_SECONDS = 3.0, 78.0  # in which each follower hands over once


@pytest.fixture(scope="module")
def waiting() -> Saved:
    return backlog(JOBS)


def made(world: MortalWorld) -> list[str]:
    """Return the jobs of all executions."""
    return [job for gpu in world.region.gpus.values() for job in gpu.jobs.values()]


def ask(world: MortalWorld, owner: str, asked: dict[str, float]) -> None:
    """Have an owner order one image, and note when its job is in the queue."""
    [job_id] = world.request(owner)
    asked[job_id] = world.clock()


@pytest.mark.parametrize("gpus", [1, 7, 20])
def test_gpus_are_busy_for_98_percent_and_new_callers_begin_within_two_images(
    waiting: Saved, gpus: int
) -> None:
    asked: dict[str, float] = {}
    with world_of(gpus, backlog=waiting, image_seconds=IMAGE_SECONDS) as world:
        began = world.clock() + SETTLING_SECONDS
        world.at(0, lambda: world.function().demand.tell(JOBS))
        for number in range(4):
            world.at(5 + number * 13.3, partial(ask, world, f"new {number}", asked))
        world.run(SETTLING_SECONDS + WINDOW_SECONDS)
        for gpu in world.region.gpus.values():
            busy = gpu.busy_seconds(began, began + WINDOW_SECONDS)
            assert busy >= 0.98 * WINDOW_SECONDS, gpu.name
        for job_id, at in asked.items():
            [begun_at] = world.begins(job_id)
            assert begun_at - at <= 2 * IMAGE_SECONDS
        jobs = made(world)
        assert len(asked) == 4
        assert len(jobs) == len(set(jobs))
        assert abs(queue.counted() - (JOBS + len(asked) - len(jobs))) <= 1


def test_owners_whose_jobs_wait_get_one_image_each_in_turn(waiting: Saved) -> None:
    with world_of(7, backlog=waiting, image_seconds=1) as world:
        world.at(0, lambda: world.function().demand.tell(JOBS))
        world.run(10)
        ended = [each for each in made(world) if statuses([each]) == {"succeeded"}]
        assert len(ended) >= 50
        # The first thousand jobs of the queue are those of a thousand owners.
        assert max(map(int, ended)) < len(ended) + 2 * 7 + 20

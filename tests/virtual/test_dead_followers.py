"""Followers die at any moment: the next one comes within 45 s, and nothing is made twice."""

from itertools import pairwise

import pytest

from chalicelib.models.jobs.job import Job
from tests.virtual.worlds import statuses, world_of

IMAGE_SECONDS = 8.0
REPLACED_SECONDS = 45
JOBS = 6


@pytest.mark.parametrize("since", range(0, 40, 4))
def test_a_follower_that_dies_at_any_moment_is_replaced_within_45_seconds(since: int) -> None:
    for part in range(8):
        dies_after = since + part * 0.53
        with world_of(1, image_seconds=IMAGE_SECONDS) as world:
            ids = world.request(count=JOBS)
            died_at = world.clock() + dies_after
            world.at(dies_after, world.kill_followers)
            world.run(dies_after + 2 * REPLACED_SECONDS + JOBS * IMAGE_SECONDS)
            assert statuses(ids) == {"succeeded"}, dies_after
            assert [len(world.begins(each)) for each in ids] == [1] * JOBS, dies_after
            # ComfyUI has gone on with the two jobs that it had.
            slots = {float(Job.find(each).finished_at) for each in ids}
            later = [at for at in slots if at > died_at]
            assert min(later) - died_at <= REPLACED_SECONDS, dies_after
            ends = sorted(world.region.gpus["i-00"].ends.values())
            idle = [later - sooner - IMAGE_SECONDS for sooner, later in pairwise(ends)]
            assert max(idle) <= REPLACED_SECONDS - IMAGE_SECONDS, dies_after


@pytest.mark.parametrize("dies_after", [1.0, 9.3, 17.7, 30.2, 69.0, 71.0])
def test_of_seven_followers_that_die_at_once_each_is_replaced(dies_after: float) -> None:
    with world_of(7, image_seconds=IMAGE_SECONDS) as world:
        ids = world.request(count=84)
        died_at = world.clock() + dies_after
        world.at(dies_after, world.kill_followers)
        world.run(dies_after + REPLACED_SECONDS)
        for name in world.region.gpus:
            calls = [at for at, body in world.invocations if body.startswith(name)]
            assert any(at > died_at for at in calls), name
        world.run(150)
        assert statuses(ids) == {"succeeded"}
        assert [len(world.begins(each)) for each in ids] == [1] * 84

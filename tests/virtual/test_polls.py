"""A thousand polls a second of jobs that wait read the snapshot of the queue, and nothing else."""

from collections import Counter
from functools import partial

import pytest

from chalicelib.models.jobs import queue
from tests.virtual.backlog import backlog
from tests.virtual.worlds import MortalWorld, world_of

JOBS, FUNCTIONS, SECONDS, A_SECOND = 1_000, 20, 4, 1_000


def poll(world: MortalWorld, ids: list[str], until: float) -> None:
    """Poll one job after another in one function, as fast as its share of the polls asks."""
    world.clock.begin("polls")
    services, number = world.function(), 0
    while world.clock() < until:
        job_id, began = ids[number % len(ids)], world.clock()
        waits, number = services.waits(), number + 1
        job = waits.show(job_id)
        assert waits.of([job])[job_id].position is not None
        left = FUNCTIONS / A_SECOND - (world.clock() - began)
        world.clock.sleep(max(left, 0.001))


def polled(gpus: int) -> Counter[str]:
    """Return the calls of the polls while jobs wait for these GPUs, with followers if any."""
    with world_of(gpus, backlog=backlog(JOBS)) as world:
        ids = [each.id for each in queue.first(100)][50:]
        if gpus:
            world.at(0, lambda: world.function().demand.tell(JOBS))
        for _ in range(FUNCTIONS):
            world.at(5, partial(poll, world, ids, world.clock() + 5 + SECONDS))
        world.run(5 + SECONDS)
        calls = world.dynamodb.named.items()
        return Counter({name: count for (process, name), count in calls if process == "polls"})


@pytest.mark.parametrize("gpus", [2, 0])
def test_polls_read_the_job_and_the_snapshot_and_never_the_queue_or_the_fleet(gpus: int) -> None:
    calls = polled(gpus)
    reads = calls.pop("BatchGetItem")
    assert reads >= 0.9 * A_SECOND * SECONDS
    # Without a follower, a poll makes the snapshot when it is two seconds old.
    few = 0 if gpus else 3 * FUNCTIONS
    assert calls.total() <= 2 * few
    assert {*calls} <= {"Query by_queue", "UpdateItem jobs"}

"""No job waits beside a free GPU, whenever it comes, also while indexes lag behind the table."""

from collections.abc import Iterator
from functools import partial
from itertools import cycle

import pytest

from chalicelib.models.jobs.job import Job
from tests.virtual.worlds import MortalWorld, statuses, world_of

IMAGE_SECONDS = 8.0
FREE_SECONDS = 2.0  # the longest that a job waits beside a free GPU
LAG_SECONDS = 3.0


def begins_after(world: MortalWorld, seconds: float) -> float:
    """Order an image at a time while a follower works or leaves; return how long it waits."""
    asked: dict[str, float] = {}

    def ask() -> None:
        at = world.clock()
        [job_id] = world.request("b")
        asked[job_id] = at

    world.at(0, world.request)
    world.at(seconds, ask)
    world.run(seconds + 30)
    [(job_id, at)] = asked.items()
    [begun_at] = world.begins(job_id)
    assert statuses([job_id]) == {"succeeded"}
    return begun_at - at


@pytest.mark.parametrize("since", [7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0])
def test_a_job_begins_within_two_seconds_of_a_free_gpu_whenever_it_comes(since: float) -> None:
    for tenth in range(10):
        seconds = since + tenth / 10
        with world_of(1, image_seconds=IMAGE_SECONDS) as world:
            waited = begins_after(world, seconds)
        free_in = max(IMAGE_SECONDS + 0.5 - seconds, 0)  # the first image takes the GPU until then
        assert waited < free_in + FREE_SECONDS, seconds


@pytest.mark.parametrize("gpus", [2, 7])
def test_single_jobs_never_wait_while_a_gpu_is_free(gpus: int) -> None:
    """Jobs come at uneven times, and fewer than the GPUs can make."""
    waits: dict[str, float] = {}

    def ask(owner: str) -> None:
        at = world.clock()
        [job_id] = world.request(owner)
        waits[job_id] = at

    with world_of(gpus, image_seconds=IMAGE_SECONDS) as world:
        for number in range(40):
            at = number * 1.37 * IMAGE_SECONDS / (gpus - 1)
            world.at(at, partial(ask, f"owner {number % 5}"))
        world.run(40 * 1.37 * IMAGE_SECONDS / (gpus - 1) + 30)
        assert statuses([*waits]) == {"succeeded"}
        late = {job: world.begins(job)[0] - at for job, at in waits.items()}
    assert max(late.values()) < FREE_SECONDS


@pytest.fixture(params=["always", "in turn"])
def lag(request: pytest.FixtureRequest) -> Iterator[float]:
    """Lags of the indexes: all of them the longest, or different ones."""
    return cycle([LAG_SECONDS] if request.param == "always" else [0.0, LAG_SECONDS, 0.4, 1.7])


@pytest.mark.parametrize("since", [0.0, 4.0, 8.0, 10.0, 12.0, 16.0])
def test_a_lag_of_three_seconds_loses_no_job_and_delays_none_by_more_than_a_few(
    lag: Iterator[float], since: float
) -> None:
    for half in range(4):
        seconds = since + half / 2
        with world_of(1, lag=lag.__next__, image_seconds=IMAGE_SECONDS) as world:
            waited = begins_after(world, seconds)
        busy = max(2 * IMAGE_SECONDS - seconds, 0)
        assert waited < busy + LAG_SECONDS + 7, seconds


def test_with_lag_a_queue_is_worked_off_without_making_a_job_twice(lag: Iterator[float]) -> None:
    with world_of(2, lag=lag.__next__, image_seconds=3) as world:
        ids = world.request(count=20)
        world.run(20 * 3 / 2 + 20)
        assert statuses(ids) == {"succeeded"}
        assert [len(world.begins(each)) for each in ids] == [1] * 20
        assert all(len(Job.find(each).attempts) == 1 for each in ids)


def test_at_rest_no_message_is_left_and_only_the_reconciler_runs() -> None:
    with world_of(2) as world:
        ids = world.request(count=5)
        world.run(120)
        assert statuses(ids) == {"succeeded"}
        quiet_since = world.clock()
        world.dynamodb.named.clear()
        world.run(180)
        assert (world.messages, world.working) == ([], 0)
        assert [at for at, _ in world.invocations if at > quiet_since] == []
        assert {process for process, _ in world.dynamodb.named} == {"reconciler"}

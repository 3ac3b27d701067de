"""GPUs that hang delay neither the healthy ones nor a caller who waits for an image."""

from collections.abc import Iterator

import pytest

from chalicelib.schemas.generation import GenerateRequest
from chalicelib.services.jobs.submit import Order
from tests.services.fakes import submit
from tests.virtual.worlds import MortalWorld, statuses, world_of

GPUS, IMAGE_SECONDS, LATE_SECONDS = 20, 8.0, 2.0
SEEN_SECONDS = 70  # within which the reconciler has asked each GPU


@pytest.fixture(params=[12, 19])
def world(request: pytest.FixtureRequest) -> Iterator[MortalWorld]:
    """A fleet of which many GPUs hang."""
    with world_of(GPUS, image_seconds=IMAGE_SECONDS) as world:
        for gpu in [*world.region.gpus.values()][: request.param]:
            gpu.is_hung = True
        yield world


def healthy(world: MortalWorld) -> list[str]:
    return [name for name, gpu in world.region.gpus.items() if not gpu.is_hung]


def answer(world: MortalWorld, seconds: list[float]) -> None:
    """Have a caller wait for an image, and note how long that took."""
    began = world.clock()
    order = Order(GenerateRequest(prompt="a fox"), began + 25, "f", owner="a caller")
    [job] = submit(world.function(), order)
    assert job.status == "succeeded"
    seconds.append(world.clock() - began)


def test_hung_gpus_delay_no_image_of_the_healthy_ones(world: MortalWorld) -> None:
    working = healthy(world)
    world.at(0, lambda: world.request(count=200))
    began = world.clock() + 2 * LATE_SECONDS  # putting so many jobs into the queue takes a while
    world.run(60)
    for name in working:
        assert world.region.gpus[name].busy_seconds(began, began + 50) >= 0.98 * 50


def test_a_caller_is_answered_at_once_beside_hung_gpus(world: MortalWorld) -> None:
    seconds: list[float] = []
    world.at(SEEN_SECONDS, lambda: answer(world, seconds))
    world.run(SEEN_SECONDS + 30)
    [took] = seconds
    assert took - IMAGE_SECONDS < LATE_SECONDS


@pytest.mark.parametrize("count", [1, 16])
def test_jobs_begin_on_a_healthy_gpu_though_the_hung_ones_were_not_known(
    world: MortalWorld, count: int
) -> None:
    asked: list[str] = []
    world.at(0, lambda: asked.extend(world.request(count=count)))
    began = world.clock()
    world.run(2 * LATE_SECONDS)
    assert world.begins(asked[0])[0] - began < LATE_SECONDS + 0.7


def test_each_job_is_made_by_a_healthy_gpu_and_once(world: MortalWorld) -> None:
    ids = world.request(count=16)
    world.run(16 * IMAGE_SECONDS + 30)
    assert statuses(ids) == {"succeeded"}
    assert [len(world.begins(each)) for each in ids] == [1] * 16

"""A follower cleans up after a job is canceled, also if the process that canceled it dies."""

import pytest

from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.services.gpus.checkpoints import CheckpointOrder
from tests.services.interfering import Crash, once, watch
from tests.services.workers import slot_holders
from tests.virtual.accepting import asleep_on
from tests.virtual.dispatch import Gpu, World

IMAGE_SECONDS = 200.0


@pytest.fixture
def world(aws: None) -> World:
    return World(1, image_seconds=IMAGE_SECONDS)


@pytest.fixture
def gpu(world: World) -> Gpu:
    return world.region.gpus["i-00"]


@pytest.fixture
def job_id(world: World) -> str:
    """A job that is executed, and whose driver has just ended."""
    [job_id] = world.queue_up("a", 1)
    made = world.function()
    [server] = made.inventory.serving()
    job = made.dispatcher.take(server, CheckpointOrder(set))
    assert job is not None
    made.driver.advance(job, until=world.clock() + 1, server=server)
    return job_id


def die() -> None:
    raise Crash


def cancel_and_die(world: World, gpu: Gpu, job_id: str) -> None:
    watch(gpu, "interrupt", step=once(die))
    with pytest.raises(Crash):
        world.function().cancellation.cancel(job_id)
    assert attempt_id(job_id, 1) in gpu.ends
    assert slot_holders("i-00") == {job_id}


def test_a_follower_stops_an_execution_whose_interrupt_was_lost_and_frees_its_slot_soon(
    world: World, gpu: Gpu, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = world.clock()
    with monkeypatch.context() as patched:
        patched.setattr(gpu, "interrupt", lambda _attempt_id: None)
        assert world.function().cancellation.cancel(job_id).status == "canceled"
    assert world.clock() - began < 0.2
    assert attempt_id(job_id, 1) in gpu.ends
    assert slot_holders("i-00") == {job_id}
    with asleep_on(world.clock):
        world.run(3)
    assert attempt_id(job_id, 1) not in gpu.ends
    assert slot_holders("i-00") == set()


def test_a_follower_stops_the_execution_of_a_job_whose_cancellation_crashed(
    world: World, gpu: Gpu, job_id: str
) -> None:
    cancel_and_die(world, gpu, job_id)
    with asleep_on(world.clock):
        world.run(10)
    assert attempt_id(job_id, 1) not in gpu.ends
    assert slot_holders("i-00") == set()
    assert Job.find(job_id).status == "canceled"


def test_an_execution_that_ended_after_its_job_was_canceled_is_booked_once(
    world: World, gpu: Gpu, job_id: str
) -> None:
    cancel_and_die(world, gpu, job_id)
    world.clock.sleep(IMAGE_SECONDS)
    watch(gpu, "drop", step=lambda: None)
    with asleep_on(world.clock):
        world.run(10)
    job = Job.find(job_id)
    assert (job.status, job.gpu_seconds) == ("canceled", IMAGE_SECONDS)
    assert world.images.stored == {}

"""Slots that their jobs no longer use, and jobs whose GPU does not answer or is gone."""

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from tests.services.fakes import Parts
from tests.services.workers import SlowComfyUI, accept_jobs, acquire_slot, slot_holders
from tests.virtual.worlds import MortalWorld, holders, statuses, world_of


def a_driven_job(world: MortalWorld) -> str:
    """Give a slot to a job whose driver has not written its attempt yet."""
    now = world.clock()
    Job.new("driven", now=now, lease="a driver", due_at=now + 60, parameters={}).save()
    assert InstanceRecord("i-00").acquire_slot("driven", now=now)
    return "driven"


def test_the_slot_of_a_job_whose_driver_just_took_it_is_not_freed() -> None:
    with world_of(1, image_seconds=30) as world:
        driven = a_driven_job(world)
        [job_id] = world.request()
        world.run(20)
        assert holders() == {driven, job_id}


def test_the_slot_of_a_dead_driver_is_freed_when_its_lease_has_ended() -> None:
    with world_of(1, image_seconds=100) as world:
        driven = a_driven_job(world)
        ids = world.request(count=2)
        world.run(70)
        assert driven not in holders()
        assert holders() == {*ids}


def test_a_slot_that_nobody_uses_is_freed_by_a_follower_that_the_reconciler_calls() -> None:
    with world_of(1) as world:
        assert InstanceRecord("i-00").acquire_slot("vanished", now=world.clock())
        world.run(70)
        assert holders() == set()
        assert [body for _, body in world.invocations][:1] == ["i-00"]


def test_the_slots_of_canceled_jobs_whose_cleanup_failed_are_freed() -> None:
    with world_of(1, image_seconds=60) as world:
        first, second, third = world.request(count=3)
        cancel = {"code": "canceled"}
        # The process that cancels dies before the cleanup.
        world.at(3, lambda: Job.find(first).cancel(cancel, now=world.clock()))
        world.run(200)
        assert holders() == set()
        assert statuses([second, third]) == {"succeeded"}


def test_a_job_does_not_move_while_its_instance_serves(aws: None) -> None:
    parts = Parts(SlowComfyUI(), SlowComfyUI())
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    holder = Job.find(job_id).attempts[-1].instance_id
    for _ in range(3):
        parts.clock.advance(20)
        parts.work(job_id)
    assert [each.instance_id for each in Job.find(job_id).attempts] == [holder]


def test_a_job_does_not_move_while_its_gpu_may_answer_again_within_a_minute() -> None:
    with world_of(2, image_seconds=80) as world:
        [job_id] = world.request()
        world.run(5)
        [name] = [each for each in ("i-00", "i-01") if holders(each)]
        gpu = world.region.gpus[name]

        def hang() -> None:
            gpu.is_hung = True
            world.clock.sleep(30)
            gpu.is_hung = False

        world.at(1, hang)
        world.run(110)
        assert statuses([job_id]) == {"succeeded"}
        assert len(world.begins(job_id)) == 1


def test_a_job_moves_when_its_gpu_has_not_answered_for_a_minute() -> None:
    with world_of(2, image_seconds=30) as world:
        [job_id] = world.request()
        world.run(5)
        [name] = [each for each in ("i-00", "i-01") if holders(each)]
        world.region.gpus[name].is_hung = True
        world.run(130)
        assert statuses([job_id]) == {"succeeded"}
        reasons = [(each.instance_id == name, each.reason) for each in Job.find(job_id).attempts]
        assert reasons == [(True, "first"), (False, "lost")]


def test_a_job_keeps_the_slot_it_has_and_no_other_instance_gets_it(aws: None) -> None:
    parts = Parts(SlowComfyUI(), SlowComfyUI())
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    holder = Job.find(job_id).attempts[-1].instance_id
    for other in ("x", "y"):
        acquire_slot(other, holder)
    parts.work(job_id)
    assert job_id in slot_holders(holder)

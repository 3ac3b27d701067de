"""A follower keeps an instance busy, and leaves it so that no job waits for the next one."""

import pytest

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from tests.virtual.worlds import MortalWorld, holders, statuses, world_of

IMAGE_SECONDS = 8.0


def made_once(world: MortalWorld, ids: list[str]) -> bool:
    """Return whether each job was executed once, and has its image."""
    return statuses(ids) == {"succeeded"} and all(len(world.begins(each)) == 1 for each in ids)


def test_all_jobs_of_the_queue_are_made_once_without_a_pause_between_them() -> None:
    with world_of(1) as world:
        ids = world.request(count=6)
        began = world.clock()
        world.run(60)
        assert made_once(world, ids)
        gpu = world.region.gpus["i-00"]
        assert gpu.busy_seconds(began, max(gpu.ends.values())) == pytest.approx(48, abs=0.01)
        assert max(gpu.ends.values()) - began < 48 + 2


@pytest.mark.parametrize("after", [0, 0.2, 0.5, 0.9, 1.1, 1.3, 1.7, 2.1, 2.5, 3, 5, 6, 7, 9])
def test_a_job_that_is_queued_while_the_follower_leaves_begins_within_two_seconds(
    after: float,
) -> None:
    later: list[str] = []
    with world_of(1) as world:
        world.request()
        queued_at = world.clock() + IMAGE_SECONDS + after
        world.at(IMAGE_SECONDS + after, lambda: later.extend(world.request("b")))
        world.run(IMAGE_SECONDS + after + 3)
        [begun_at] = world.begins(later[0])
        assert begun_at - queued_at < 2


@pytest.mark.parametrize("dies_after", [0.3, 0.5, 2, 7.9, 8.05, 14, 20])
def test_a_follower_that_dies_is_replaced_within_45_seconds_and_nothing_is_made_twice(
    dies_after: float,
) -> None:
    with world_of(1) as world:
        ids = world.request(count=4)
        world.at(dies_after, world.kill_followers)
        died_at = world.clock() + dies_after
        world.run(dies_after + 90)
        seen = [at for at, body in world.invocations if at > died_at and body.startswith("i-00")]
        taken = [at for at in seen if at - died_at <= 45]
        assert taken
        assert made_once(world, ids)
        ends = sorted(world.region.gpus["i-00"].ends.values())
        assert ends[-1] - died_at <= 45 + 4 * IMAGE_SECONDS


def test_an_execution_that_outlasts_its_follower_is_handed_over() -> None:
    with world_of(1, image_seconds=200) as world:
        [job_id] = world.request()
        world.run(230)
        assert made_once(world, [job_id])
        followers = [at for at, body in world.invocations if body == "i-00"]
        assert len(followers) >= 3
        job = Job.find(job_id)
        assert job.finished_at - world.begins(job_id)[0] < 200 + 3
        assert len(job.attempts) == 1


def test_an_instance_that_goes_off_gives_its_jobs_to_another_one() -> None:
    with world_of(2) as world:
        ids = world.request(count=4)
        world.at(3, world.region.gpus["i-00"].turn_off)
        off_at = world.clock() + 3
        world.run(60)
        assert statuses(ids) == {"succeeded"}
        moved = [each for each in ids if Job.find(each).attempts[0].instance_id == "i-00"]
        assert len(moved) == 2
        for job_id in moved:
            assert [each.instance_id for each in Job.find(job_id).attempts] == ["i-00", "i-01"]
            assert max(world.begins(job_id)) - off_at < 2 * IMAGE_SECONDS + 15
        assert holders("i-00") == set()


def test_an_instance_that_goes_off_alone_gives_its_jobs_back_to_the_queue() -> None:
    with world_of(1) as world:
        ids = world.request(count=2)
        world.at(3, world.region.gpus["i-00"].turn_off)
        world.run(30)
        for job_id in ids:
            job = Job.find(job_id)
            assert (job.status, job.is_queued) == ("queued", True)
        assert holders() == set()


def test_jobs_that_lost_their_instance_are_made_when_it_is_on_again() -> None:
    with world_of(1) as world:
        ids = world.request(count=2)
        world.at(3, world.region.gpus["i-00"].turn_off)
        world.run(200)
        assert world.region.started == ["i-00"]
        assert statuses(ids) == {"succeeded"}


def test_the_slots_of_jobs_that_have_ended_or_vanished_are_freed() -> None:
    with world_of(1) as world:
        [done] = world.request()
        world.run(20)
        for unused in (done, "vanished"):
            assert InstanceRecord("i-00").acquire_slot(unused, now=world.clock())
        ids = world.request(count=3)
        world.run(40)
        assert statuses(ids) == {"succeeded"}
        assert holders() == set()


def test_the_slot_of_a_job_that_was_canceled_goes_to_the_next_job() -> None:
    with world_of(1, image_seconds=60) as world:
        first, second, third = world.request(count=3)
        world.at(5, lambda: world.function().cancellation.cancel(first))
        world.run(30)
        assert holders() == {second, third}
        assert Job.find(first).status == "canceled"


def test_at_rest_no_message_is_left_and_nothing_runs() -> None:
    with world_of(2) as world:
        ids = world.request(count=5)
        world.run(180)
        assert made_once(world, ids)
        assert (world.messages, world.working) == ([], 0)
        quiet_since = world.clock() - 60
        assert [at for at, _ in world.invocations if at > quiet_since] == []


def test_a_check_that_finds_nothing_leaves_no_message() -> None:
    with world_of(1) as world:
        world.at(0, lambda: world.send("i-00 check"))
        world.run(50)
        assert [body for _, body in world.invocations] == ["i-00 check"]
        assert (world.messages, world.working) == ([], 0)
        assert InstanceRecord.read("i-00").follower is None


def test_a_message_that_comes_twice_is_followed_once() -> None:
    with world_of(1) as world:
        ids = world.queue_up("a", 3)
        for _ in range(2):
            world.at(0, lambda: world.send("i-00"))
        world.run(50)
        assert made_once(world, ids)


def test_a_message_about_an_instance_that_does_not_exist_does_nothing() -> None:
    with world_of(1) as world:
        world.at(0, lambda: world.send("i-99"))
        world.run(10)
        assert (world.messages, [each.id for each in InstanceRecord.all()]) == ([], ["i-00"])


def test_a_job_is_made_elsewhere_when_its_instance_is_terminated_and_its_follower_dies() -> None:
    with world_of(2) as world:
        ids = world.request(count=4)

        def terminate() -> None:
            world.kill_followers()
            del world.region.gpus["i-00"]

        world.at(3, terminate)
        world.run(300)
        assert statuses(ids) == {"succeeded"}
        assert [each.id for each in InstanceRecord.all()] == ["i-01"]

"""Canceling a job in any state: it ends at once, stays canceled and leaves nothing behind."""

from io import BytesIO

import pytest

from chalicelib.config import config
from chalicelib.errors import ComfyUIUnreachable, FleetUnreachable, JobFinished, NotFound
from chalicelib.gateways.comfyui.errors import Failure
from chalicelib.gateways.comfyui.state import Finished, Waiting
from chalicelib.models.fleet import followers
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import newest
from chalicelib.signals import StoreFailed
from tests.services.fakes import Parts
from tests.services.interfering import Crash, check_canceled, once, watch
from tests.services.workers import SlowComfyUI, accept_jobs, slot_holders, work_all

SLOTS = config.slots_per_gpu


@pytest.fixture
def gpu() -> SlowComfyUI:
    return SlowComfyUI()


@pytest.fixture
def parts(aws: None, gpu: SlowComfyUI) -> Parts:
    return Parts(gpu)


def die() -> None:
    raise Crash


def test_a_job_that_is_canceled_before_it_is_driven_is_never_submitted(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    [job_id] = accept_jobs(parts)
    assert parts.cancellation.cancel(job_id).status == "canceled"
    parts.work(job_id)
    check_canceled(parts, job_id)
    assert (gpu.submitted, parts.queue.sent) == ([], [("i-1", 0)])


def test_a_job_that_is_canceled_in_the_queue_is_never_submitted(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    *ids, waiting, next_one = accept_jobs(parts, SLOTS + 2)
    work_all(parts, [*ids, waiting, next_one])
    parts.cancellation.cancel(waiting)
    assert [each.id for each in queue.first(10)] == [next_one]
    gpu.end(ids[0])
    parts.work(ids[0])
    work_all(parts, [waiting, next_one])
    assert slot_holders() == {*ids[1:], next_one}
    assert attempt_id(waiting, 1) not in gpu.submitted


def test_canceling_a_running_job_interrupts_its_attempt_and_no_other(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    kept, canceled = accept_jobs(parts, 2)
    work_all(parts, [kept, canceled])
    parts.cancellation.cancel(canceled)
    assert gpu.interrupted == [attempt_id(canceled, 1)]
    assert work_all(parts, [kept, canceled]) == ["running", "canceled"]
    assert gpu.dropped == [attempt_id(canceled, 1)]
    assert slot_holders() == {kept}


def test_cancel_does_not_wait_until_comfyui_stops(parts: Parts, gpu: SlowComfyUI) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.queue.take()
    gpu.is_stuck = True
    watch(gpu, "find", "drop", step=die)
    assert parts.cancellation.cancel(job_id).status == "canceled"
    assert slot_holders() == {job_id}  # until a follower has seen that ComfyUI has stopped
    assert parts.queue.take() == [("i-1 check", 1), ("i-1 check", 0)]


def test_many_jobs_are_canceled_without_waiting_until_comfyui_stops(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    ids = accept_jobs(parts, SLOTS)
    work_all(parts, ids)
    watch(gpu, "find", "drop", step=die)
    canceled, are_left = parts.cancellation.cancel_all(ids, owner=None, until=parts.clock() + 1)
    assert (sorted(canceled), are_left) == (sorted(ids), False)
    assert sorted(gpu.interrupted) == sorted(attempt_id(each, 1) for each in ids)
    assert slot_holders() == {*ids}


def test_an_instance_that_has_a_follower_gets_a_message_for_the_end_of_the_lease_only(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.queue.take()
    now = parts.clock()
    assert followers.claim(InstanceRecord.read("i-1"), "a follower", now=now, until=now + 28)
    parts.cancellation.cancel(job_id)
    assert gpu.interrupted == [attempt_id(job_id, 1)]
    assert parts.queue.take() == [("i-1 check", 1)]


def test_the_slot_of_a_canceled_job_goes_to_the_next_job(parts: Parts) -> None:
    *ids, waiting = accept_jobs(parts, SLOTS + 1)
    work_all(parts, [*ids, waiting])
    parts.clock.advance(1)
    parts.queue.take()
    parts.cancellation.cancel(ids[0])
    assert parts.queue.take() == [("i-1 check", 1), ("i-1 check", 0)]
    work_all(parts, [ids[0], waiting])
    assert slot_holders() == {*ids[1:], waiting}


def test_a_driver_that_submits_a_canceled_job_cleans_up_its_attempt(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    [job_id] = accept_jobs(parts)
    watch(gpu, "events", step=once(lambda: parts.cancellation.cancel(job_id)))
    parts.work(job_id)
    assert gpu.submitted == [attempt_id(job_id, 1)]
    check_canceled(parts, job_id)
    assert slot_holders() == set()


def test_an_image_that_is_stored_while_its_job_is_canceled_is_deleted(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    gpu.end(job_id)
    stored: list[int] = []

    def cancel() -> None:
        if parts.images.stored and not stored:
            stored.append(len(parts.images.stored))
            parts.cancellation.cancel(job_id)

    watch(parts.images, "put", step=cancel)
    parts.work(job_id)
    assert stored == [1]
    check_canceled(parts, job_id)


def test_a_slot_of_a_job_that_is_canceled_as_it_gets_it_is_freed_at_once(parts: Parts) -> None:
    [job_id] = accept_jobs(parts)

    def cancel() -> None:
        if slot_holders():
            parts.cancellation.cancel(job_id)

    watch(parts.dispatcher, "take", step=cancel)
    parts.work(job_id)
    check_canceled(parts, job_id)
    assert slot_holders() == set()


def test_a_job_that_is_canceled_as_its_caller_waits_gets_no_slot(parts: Parts) -> None:
    def cancel() -> None:
        parts.cancellation.cancel(next(newest(1)))

    watch(parts.dispatcher, "offers", step=once(cancel))
    [job] = parts.submit(wait_seconds=25)
    assert (job.status, job.attempts, slot_holders()) == ("canceled", [], set())


@pytest.mark.parametrize("status", ["succeeded", "failed"])
def test_a_job_that_has_ended_cannot_be_canceled(
    parts: Parts, gpu: SlowComfyUI, status: str
) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    if status == "failed":
        gpu.known[attempt_id(job_id, 1)] = Finished({}, Failure("node_failed", "it went wrong"))
    else:
        gpu.end(job_id)
    parts.work(job_id)
    before, stored = Job.find(job_id).serialize(), dict(parts.images.stored)
    with pytest.raises(JobFinished, match=status):
        parts.cancellation.cancel(job_id)
    assert Job.find(job_id).serialize() == before
    assert parts.images.stored == stored


def test_a_job_that_succeeds_while_it_is_being_canceled_keeps_its_image(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    gpu.end(job_id)
    watch(parts.queue, "send", step=once(lambda: parts.work(job_id)))
    with pytest.raises(JobFinished):
        parts.cancellation.cancel(job_id)
    assert Job.find(job_id).status == "succeeded"
    assert len(parts.images.stored) == 1


def test_canceling_a_canceled_job_changes_nothing(parts: Parts) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    first = parts.cancellation.cancel(job_id).serialize()
    parts.clock.advance(5)
    assert parts.cancellation.cancel(job_id).serialize() == first


def test_canceling_an_unknown_job_raises_not_found(parts: Parts) -> None:
    with pytest.raises(NotFound):
        parts.cancellation.cancel("01J")


def test_a_job_is_canceled_while_its_comfyui_does_not_answer(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)

    def time_out() -> None:
        raise ComfyUIUnreachable("ComfyUI did not answer")

    watch(gpu, "interrupt", step=time_out)
    watch(gpu, "drop", step=once(time_out))
    assert parts.cancellation.cancel(job_id).status == "canceled"
    parts.work(job_id)
    assert isinstance(gpu.known[attempt_id(job_id, 1)], Waiting)
    assert slot_holders() == {job_id}  # so that a follower drops the attempt later
    parts.work(job_id)
    check_canceled(parts, job_id)
    assert slot_holders() == set()


def test_a_job_is_canceled_while_ec2_does_not_answer(parts: Parts, gpu: SlowComfyUI) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.clock.advance(3600)

    def time_out() -> None:
        raise FleetUnreachable("EC2 did not answer")

    watch(parts.ec2, "instances", step=time_out)
    parts.queue.take()
    assert parts.cancellation.cancel(job_id).status == "canceled"
    assert parts.queue.take() == [("i-1 check", 1), ("i-1 check", 0)]


def test_a_job_that_waits_after_a_lost_attempt_leaves_no_image(parts: Parts) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    parts.images.put(f"images/{job_id}/0.png", BytesIO(b"png"), 3)  # by a driver that died
    parts.ec2.turn_off()
    parts.clock.advance(60)
    assert parts.work(job_id).is_queued
    assert slot_holders() == set()
    parts.cancellation.cancel(job_id)  # no follower sees a job without a slot
    assert (parts.images.stored, parts.comfyui.interrupted) == ({}, [])


def test_the_slot_is_freed_after_five_minutes_if_the_images_cannot_be_deleted(
    parts: Parts,
) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)

    def fail() -> None:
        raise StoreFailed("the images could not be deleted")

    watch(parts.images, "delete", step=fail)
    assert parts.cancellation.cancel(job_id).status == "canceled"
    parts.work(job_id)
    assert slot_holders() == {job_id}  # so that a follower deletes them later
    parts.clock.advance(300)
    parts.work(job_id)
    assert slot_holders() == set()


def test_cleanup_after_a_cancel_that_crashed_runs_when_the_lease_has_ended(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    Job.find(job_id).claim("a driver", now=parts.clock(), until=parts.clock() + 60)

    watch(gpu, "interrupt", step=once(die))
    parts.queue.take()
    with pytest.raises(Crash):
        parts.cancellation.cancel(job_id)
    assert parts.queue.take() == [("i-1 check", 61), ("i-1 check", 0)]
    parts.clock.advance(61)
    parts.work(job_id)
    check_canceled(parts, job_id)
    assert slot_holders() == set()

"""Estimates of how long a job still has to wait, and what callers read meanwhile."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.config import config
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.queue_snapshot import QueueSnapshot
from chalicelib.services.jobs.wait_estimate import NoWaits, Wait
from tests.models.queueing import enqueue
from tests.services.fakes import Parts
from tests.services.workers import SlowComfyUI, accept_jobs, acquire_slot, work_all
from tests.virtual.clock import VirtualClock
from tests.virtual.dynamodb import VirtualDynamoDB

SLOTS = config.slots_per_gpu
FREE = "waiting for a free slot"
STARTING = "the GPU instance is starting"


@pytest.fixture
def parts(aws: None) -> Parts:
    return Parts(SlowComfyUI())


def waits_of(parts: Parts, *ids: str) -> list[Wait]:
    """Return the waits by a snapshot that a follower has just made."""
    parts.queue_snapshots.refresh(is_due=True)
    return known_waits(parts, *ids)


def known_waits(parts: Parts, *ids: str) -> list[Wait]:
    """Return the waits by the snapshot that there is."""
    known = parts.waits().of([Job.find(job_id) for job_id in ids])
    return [known[job_id] for job_id in ids]


def queued(position: int, seconds: int | None = None) -> Wait:
    return Wait("queued", FREE, position, seconds=seconds)


def starting(position: int, seconds: int | None = None, reason: str = STARTING) -> Wait:
    return Wait("starting", reason, position, seconds=seconds)


def set_pace(seconds: float, instance_id: str = "i-1") -> None:
    record = InstanceRecord.read(instance_id)
    record.update(record.freeing_slot("", now=None, execution_seconds=seconds))


def set_boot(seconds: float, instance_id: str = "i-1") -> None:
    InstanceRecord(instance_id).update([InstanceRecord.boot_seconds.set(seconds)])


def test_a_running_job_has_position_zero(parts: Parts) -> None:
    [job_id] = accept_jobs(parts)
    work_all(parts, [job_id])
    assert waits_of(parts, job_id) == [Wait("running", None, 0)]


def test_a_queued_job_waits_for_the_jobs_with_slots_and_the_jobs_before_it(parts: Parts) -> None:
    ids = accept_jobs(parts, SLOTS + 3)
    work_all(parts, ids)
    set_pace(10)
    expected = [queued(SLOTS + rank, 10 * (SLOTS + rank)) for rank in range(3)]
    assert waits_of(parts, *ids[SLOTS:]) == expected
    assert waits_of(parts, ids[-1]) == expected[-1:]


def test_a_job_that_was_just_accepted_has_a_position(parts: Parts) -> None:
    ids = accept_jobs(parts, 3)
    assert [each.position for each in known_waits(parts, *ids)] == [0, 1, 2]


def test_a_position_is_at_most_two_seconds_old_without_a_follower(parts: Parts) -> None:
    first, second = accept_jobs(parts, 2)
    waits_of(parts, first, second)
    parts.cancellation.cancel(first)
    parts.clock.advance(2)
    assert [each.position for each in known_waits(parts, second)] == [0]


def test_of_two_functions_that_make_a_snapshot_at_once_the_later_one_reads_the_others(
    parts: Parts,
) -> None:
    [first, second] = accept_jobs(parts, 2)
    waits_of(parts, first, second)
    parts.cancellation.cancel(first)
    parts.clock.advance(100)
    stale = QueueSnapshot.read()
    assert [each.position for each in known_waits(parts, second)] == [0]
    late = Parts(clock=parts.clock, ec2=parts.ec2)
    assert late.queue_snapshots.current(stale).rank(str(Job.find(second).sort_key)) == 0


def test_a_job_far_behind_has_the_least_position_that_is_known(parts: Parts) -> None:
    now = parts.clock()
    enqueue("nobody", 150, now=now)
    [last] = accept_jobs(parts)
    set_pace(10)
    [wait] = waits_of(parts, last)
    assert (wait.position, wait.is_minimum) == (100, True)
    assert wait.seconds is not None
    assert wait.seconds >= 1000


def test_a_job_in_comfyuis_queue_has_its_position_there(parts: Parts) -> None:
    acquire_slot("another")
    [job_id] = accept_jobs(parts)
    work_all(parts, [job_id])
    assert Job.find(job_id).status == "queued"
    set_pace(7.5)
    assert waits_of(parts, job_id) == [Wait("queued", None, 1, seconds=8)]


def test_a_job_that_returned_to_the_queue_has_its_position_in_the_queue(parts: Parts) -> None:
    ids = accept_jobs(parts, SLOTS + 1)
    work_all(parts, ids)
    job = Job.find(ids[0])
    job.claim("a driver", now=parts.clock(), until=parts.clock() + 60)
    job.put_back("queued", None, due_at=parts.clock() + 300, sort_key=job.sort_key)
    assert waits_of(parts, ids[0]) == [queued(SLOTS)]


def test_no_seconds_are_estimated_before_the_first_execution(parts: Parts) -> None:
    ids = accept_jobs(parts, SLOTS + 1)
    work_all(parts, ids)
    assert waits_of(parts, ids[-1]) == [queued(SLOTS)]


def wait(parts: Parts) -> str:
    """Accept a job that finds no GPU, and return its id."""
    parts.ec2.turn_off()
    [job_id] = accept_jobs(parts)
    return job_id


def test_a_job_waits_for_the_rest_of_the_boot_of_an_instance(parts: Parts) -> None:
    set_pace(10)
    set_boot(90)
    first = wait(parts)
    [second] = accept_jobs(parts)
    parts.ec2.gone.clear()
    parts.clock.advance(6)  # until EC2 is asked again
    InstanceRecord("i-1").started(now=parts.clock() - 30)
    booting = "the GPU instance is booting"
    assert waits_of(parts, first, second) == [starting(0, 60, booting), starting(1, 70, booting)]
    parts.clock.advance(100)
    assert waits_of(parts, first) == [starting(0, 0, booting)]


def test_a_job_waits_for_the_instance_that_is_ready_first(aws: None) -> None:
    parts = Parts(SlowComfyUI(), SlowComfyUI())
    set_pace(10)
    set_boot(90)
    job_id, now = wait(parts), parts.clock()
    InstanceRecord("i-1").started(now=now - 30)
    InstanceRecord("i-2").started(now=now - 50)  # its boot takes as long as that of the others
    assert [each.seconds for each in waits_of(parts, job_id)] == [40]


def test_a_job_waits_for_a_whole_boot_while_all_instances_are_off(aws: None) -> None:
    parts = Parts(SlowComfyUI(), SlowComfyUI())
    set_pace(10)
    set_boot(80)
    set_boot(100, "i-2")
    assert waits_of(parts, wait(parts)) == [starting(0, 90)]


def test_a_job_does_not_wait_for_a_boot_while_an_instance_is_ready(aws: None) -> None:
    parts = Parts(SlowComfyUI(), SlowComfyUI())
    set_pace(10)
    set_boot(90)
    InstanceRecord("i-2").started(now=parts.clock())
    [job_id] = accept_jobs(parts)
    assert waits_of(parts, job_id) == [queued(0, 0)]


def test_an_instance_that_drains_has_to_boot_again(parts: Parts) -> None:
    set_pace(10)
    set_boot(100)
    [job_id] = accept_jobs(parts)
    InstanceRecord("i-1").drain(until=parts.clock() + 90)
    draining = "the GPU instance is draining before a restart"
    assert waits_of(parts, job_id) == [starting(0, 100, draining)]


def test_no_seconds_are_estimated_before_the_first_boot(parts: Parts) -> None:
    set_pace(10)
    assert waits_of(parts, wait(parts)) == [starting(0)]


def test_no_seconds_are_estimated_while_no_instance_may_start(parts: Parts) -> None:
    set_pace(10)
    set_boot(90)
    job_id, later = wait(parts), parts.clock() + 60
    InstanceRecord("i-1").update([InstanceRecord.unhealthy_until.set(later)])
    assert [each.seconds for each in waits_of(parts, job_id)] == [None]


def test_no_seconds_are_estimated_for_a_job_that_waits_for_the_budget(aws: None) -> None:
    parts = Parts(SlowComfyUI(), dollars=1.0)
    set_pace(10)
    set_boot(90)
    job_id = wait(parts)
    InstanceRecord("i-1").set_budget_end(parts.clock())
    [found] = waits_of(parts, job_id)
    assert (found.status, found.reason, found.seconds) == ("queued", parts.budget.reason, None)


def test_without_a_gpu_at_work_the_pace_is_that_of_the_last_executions(aws: None) -> None:
    parts = Parts(SlowComfyUI(), SlowComfyUI())
    set_pace(10)
    set_pace(20, "i-2")
    ids = accept_jobs(parts, 3)
    assert waits_of(parts, *ids) == [queued(0, 0), queued(1, 15), queued(2, 30)]


def test_a_job_that_has_ended_has_no_estimate(parts: Parts) -> None:
    done, canceled = accept_jobs(parts, 2)
    work_all(parts, [done])
    comfyui: Any = parts.comfyui
    comfyui.end(done)
    work_all(parts, [done])
    parts.cancellation.cancel(canceled)
    assert waits_of(parts, done, canceled) == [Wait("succeeded"), Wait("canceled")]


def test_two_gpus_halve_the_estimated_seconds(aws: None) -> None:
    parts = Parts(SlowComfyUI(), SlowComfyUI())
    ids = accept_jobs(parts, 2 * SLOTS + 1)
    work_all(parts, ids)
    set_pace(10, "i-1")
    set_pace(20, "i-2")
    assert waits_of(parts, ids[-1]) == [queued(2 * SLOTS, round(2 * SLOTS * 15 / 2))]


def test_a_gpu_without_jobs_does_not_change_the_estimate(aws: None) -> None:
    parts = Parts(SlowComfyUI(), SlowComfyUI())
    for number in range(SLOTS):
        acquire_slot(f"another {number}")
    set_pace(1, "i-2")
    set_pace(10)
    [job_id] = accept_jobs(parts)
    assert waits_of(parts, job_id) == [queued(SLOTS, 10 * SLOTS)]


def test_without_jobs_nothing_is_read(aws: None) -> None:
    clock = VirtualClock()
    parts = Parts(clock=clock)
    with VirtualDynamoDB(clock, call_seconds=0.005) as dynamodb:
        assert parts.waits().of([]) == {}
    assert dynamodb.calls.total() == 0


def test_polls_of_one_function_read_the_snapshot_once_a_second(aws: None) -> None:
    clock = VirtualClock()
    parts = Parts(SlowComfyUI(), clock=clock)
    jobs = [Job.find(job_id) for job_id in accept_jobs(parts, 5)]
    parts.queue_snapshots.refresh(is_due=True)
    with VirtualDynamoDB(clock, call_seconds=0.0) as dynamodb:
        for _ in range(50):
            parts.waits().of(jobs)
    assert dynamodb.calls.total() <= 1


def test_a_job_in_a_response_without_waits_shows_what_it_knows_itself(parts: Parts) -> None:
    parts.ec2.turn_off()
    [job] = parts.submit(wait_seconds=5)
    found = NoWaits().of([job])[job.id]
    assert found == Wait("starting", "waiting for a GPU")


@settings(max_examples=10)
@given(callers=st.lists(st.sampled_from("abc"), min_size=1, max_size=8))
def test_positions_are_all_different_and_without_a_gap(aws: None, callers: list[str]) -> None:
    parts = Parts()
    ids = [job_id for caller in callers for job_id in accept_jobs(parts, owner=caller)]
    found = [each.position for each in waits_of(parts, *ids)]
    for job_id in ids:
        parts.cancellation.cancel(job_id)
    assert sorted(position or 0 for position in found) == list(range(len(ids)))

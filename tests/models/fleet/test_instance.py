"""The record of an instance: its slots, its execution time, and when it entered its state."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.config import config
from chalicelib.models.fleet.instance import InstanceRecord

pytestmark = pytest.mark.usefixtures("aws")

IDS = [f"job-{number}" for number in range(config.slots_per_gpu + 3)]


def acquire_slot(job_id: str, instance_id: str = "i-1", now: float = 100.0) -> bool:
    return InstanceRecord(instance_id).acquire_slot(job_id, now=now)


def slot_holders() -> set[str]:
    return InstanceRecord.read("i-1").slot_holders


def execution_time_after(*seconds: float) -> float | None:
    for each in seconds:
        record = InstanceRecord.read("i-1")
        record.update(record.freeing_slot("job", now=None, execution_seconds=each))
    found = InstanceRecord.read("i-1").execution_seconds
    return None if found is None else float(found)


changes = st.lists(st.tuples(st.sampled_from(["slot", "release_slot"]), st.sampled_from(IDS)))


@settings(max_examples=30)
@given(changes=changes)
def test_jobs_in_any_order_never_hold_more_slots_than_an_instance_has(
    changes: list[tuple[str, str]],
) -> None:
    for job_id in IDS:
        InstanceRecord("i-1").release_slot(job_id)
    stale, expected = InstanceRecord.read("i-1"), set[str]()
    for change, job_id in changes:
        if change == "release_slot":
            stale.release_slot(job_id)
            expected.discard(job_id)
            continue
        is_free = job_id in expected or len(expected) < config.slots_per_gpu
        # The record may be out of date: the table decides.
        assert acquire_slot(job_id) is is_free
        if is_free:
            expected.add(job_id)
    assert slot_holders() == expected
    assert len(expected) <= config.slots_per_gpu


def test_a_job_with_a_slot_can_acquire_it_again_when_all_are_taken() -> None:
    assert all(acquire_slot(job_id) for job_id in IDS[: config.slots_per_gpu])
    assert acquire_slot(IDS[0])
    assert not acquire_slot(IDS[-1])
    assert slot_holders() == {*IDS[: config.slots_per_gpu]}


def test_instances_do_not_share_slots() -> None:
    for name in ("i-1", "i-2"):
        assert all(acquire_slot(job_id, name) for job_id in IDS[: config.slots_per_gpu])
    assert not acquire_slot(IDS[-1], "i-2")


def test_releasing_a_slot_that_a_job_does_not_hold_is_harmless() -> None:
    InstanceRecord("i-1").release_slot("never had one")
    acquire_slot("job")
    for _ in range(2):
        InstanceRecord("i-1").release_slot("job")
        assert slot_holders() == set()
    InstanceRecord("i-1").release_slot("never had one")
    assert acquire_slot("job")


def test_the_execution_time_is_unknown_before_the_first_execution() -> None:
    InstanceRecord("i-1").release_slot("a job that failed")
    assert execution_time_after() is None
    assert execution_time_after(8.0) == 8.0


def test_the_execution_time_follows_recent_executions_and_no_single_one() -> None:
    assert execution_time_after(10, 20) == 12
    assert execution_time_after(12) == 12
    assert execution_time_after(*[30] * 30) == pytest.approx(30, abs=0.1)


def test_an_execution_of_zero_seconds_counts() -> None:
    assert execution_time_after(10, 0) == 8


def test_noting_a_state_keeps_the_slots_and_other_fields() -> None:
    record = InstanceRecord.read("i-1")
    acquire_slot("job")
    InstanceRecord("i-1").mark_unhealthy_by("job-1", now=100)
    execution_time_after(5)
    record.note("busy", now=100.0, is_on=True)
    found = InstanceRecord.read("i-1")
    assert (found.state, found.since, found.unhealthy_attempt, found.execution_seconds) == (
        "busy",
        100,
        "job-1",
        5,
    )
    acquire_slot("job")
    record.note("idle", now=160.0, is_on=True)
    assert slot_holders() == {"job"}


def test_since_is_when_the_instance_entered_its_state() -> None:
    record = InstanceRecord.read("i-1")
    noted = [record.note(doing, now=now, is_on=True) for doing, now in (("idle", 0), ("idle", 60))]
    assert noted == [0, 0]
    assert record.note("busy", now=120, is_on=True) == 120
    assert record.note("busy", now=120 + 3600, is_on=True) == 120 + 3600


def test_all_instances_are_listed() -> None:
    for name in ("i-1", "i-2"):
        acquire_slot("job", name)
    assert {record.id for record in InstanceRecord.all()} == {"i-1", "i-2"}


def test_a_draining_instance_gives_no_slots_until_the_drain_ends() -> None:
    assert InstanceRecord("i-1").drain_if_empty(until=130.0)
    assert not acquire_slot("job", now=129.9)
    assert slot_holders() == set()
    assert acquire_slot("job", now=130.0)
    assert acquire_slot("job", "i-2", now=100.0)


def test_an_instance_with_a_job_is_not_drained() -> None:
    acquire_slot("job")
    assert not InstanceRecord("i-1").drain_if_empty(until=130.0)
    assert acquire_slot("another")
    for job_id in ("job", "another"):
        InstanceRecord("i-1").release_slot(job_id)
    assert InstanceRecord("i-1").drain_if_empty(until=130.0)


def test_an_unhealthy_instance_can_be_marked_healthy() -> None:
    InstanceRecord("i-1").mark_unhealthy_by("job-1", now=100)
    InstanceRecord.read("i-1").mark_healthy()
    assert InstanceRecord.read("i-1").unhealthy_attempt is None


def test_of_two_functions_that_see_an_instance_become_ready_both_can_use_it(aws: None) -> None:
    first, second = InstanceRecord.read("i-1"), InstanceRecord.read("i-1")
    first.became_ready(now=1)
    second.became_ready(now=2)
    assert first.serves(now=2)
    assert second.serves(now=2)
    assert InstanceRecord.read("i-1").ready_at == 1

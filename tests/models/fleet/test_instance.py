"""What is remembered of an instance: its slots, its pace, and since when it does what it does."""

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


def runs(*seconds: float) -> float | None:
    for each in seconds:
        InstanceRecord.read("i-1").release_slot("job", execution_seconds=each)
    found = InstanceRecord.read("i-1").execution_seconds
    return None if found is None else float(found)


changes = st.lists(st.tuples(st.sampled_from(["slot", "release_slot"]), st.sampled_from(IDS)))


@settings(max_examples=30)
@given(changes=changes)
def test_no_order_of_comers_and_leavers_takes_more_slots_than_there_are(
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
        # A record that was read before others came knows less than the table.
        assert acquire_slot(job_id) is is_free
        if is_free:
            expected.add(job_id)
    assert slot_holders() == expected
    assert len(expected) <= config.slots_per_gpu


def test_who_has_a_slot_keeps_it_though_all_are_taken() -> None:
    assert all(acquire_slot(job_id) for job_id in IDS[: config.slots_per_gpu])
    assert acquire_slot(IDS[0])
    assert not acquire_slot(IDS[-1])
    assert slot_holders() == {*IDS[: config.slots_per_gpu]}


def test_slots_of_one_instance_are_not_those_of_another() -> None:
    for name in ("i-1", "i-2"):
        assert all(acquire_slot(job_id, name) for job_id in IDS[: config.slots_per_gpu])
    assert not acquire_slot(IDS[-1], "i-2")


def test_who_has_no_slot_may_leave() -> None:
    InstanceRecord("i-1").release_slot("never had one")
    acquire_slot("job")
    for _ in range(2):
        InstanceRecord("i-1").release_slot("job")
        assert slot_holders() == set()
    InstanceRecord("i-1").release_slot("never had one")
    assert acquire_slot("job")


def test_nothing_is_known_of_the_pace_before_the_first_run() -> None:
    InstanceRecord("i-1").release_slot("a run that failed")
    assert runs() is None
    assert runs(8.0) == 8.0


def test_the_pace_follows_the_recent_runs_and_no_single_one() -> None:
    assert runs(10, 20) == 12
    assert runs(12) == 12
    assert runs(*[30] * 30) == pytest.approx(30, abs=0.1)


def test_a_run_of_no_time_is_a_run() -> None:
    assert runs(10, 0) == 8


def test_what_an_instance_does_is_noted_beside_its_slots() -> None:
    record = InstanceRecord.read("i-1")
    acquire_slot("job")
    InstanceRecord("i-1").mark_unhealthy_by("job-1", now=100)
    runs(5)
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


def test_since_when_is_without_a_break() -> None:
    record = InstanceRecord.read("i-1")
    noted = [record.note(doing, now=now, is_on=True) for doing, now in (("idle", 0), ("idle", 60))]
    assert noted == [0, 0]
    assert record.note("busy", now=120, is_on=True) == 120
    assert record.note("busy", now=120 + 3600, is_on=True) == 120 + 3600


def test_all_instances_are_listed() -> None:
    for name in ("i-1", "i-2"):
        acquire_slot("job", name)
    assert {record.id for record in InstanceRecord.all()} == {"i-1", "i-2"}


def test_an_instance_that_is_about_to_stop_has_no_slots() -> None:
    assert InstanceRecord("i-1").drain_if_empty(until=130.0)
    assert not acquire_slot("job", now=129.9)
    assert slot_holders() == set()
    assert acquire_slot("job", now=130.0)
    assert acquire_slot("job", "i-2", now=100.0)


def test_an_instance_with_a_job_is_not_about_to_stop() -> None:
    acquire_slot("job")
    assert not InstanceRecord("i-1").drain_if_empty(until=130.0)
    assert acquire_slot("another")
    for job_id in ("job", "another"):
        InstanceRecord("i-1").release_slot(job_id)
    assert InstanceRecord("i-1").drain_if_empty(until=130.0)


def test_a_suspicion_can_be_forgotten() -> None:
    InstanceRecord("i-1").mark_unhealthy_by("job-1", now=100)
    InstanceRecord.read("i-1").mark_healthy()
    assert InstanceRecord.read("i-1").unhealthy_attempt is None

"""What is remembered of an instance: its seats, its pace, and since when it does what it does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.config import config
from chalicelib.models.instance import InstanceRecord

pytestmark = pytest.mark.usefixtures("aws")

IDS = [f"job-{number}" for number in range(config.gpu_seats + 3)]


def seat(job_id: str, instance_id: str = "i-1", now: float = 100.0) -> bool:
    return InstanceRecord(instance_id).seat(job_id, now=now)


def seated() -> set[str]:
    return InstanceRecord.read("i-1").seated


def runs(*seconds: float) -> float | None:
    for each in seconds:
        InstanceRecord.read("i-1").unseat("job", run_seconds=each)
    found = InstanceRecord.read("i-1").run_seconds
    return None if found is None else float(found)


changes = st.lists(st.tuples(st.sampled_from(["seat", "unseat"]), st.sampled_from(IDS)))


@settings(max_examples=30)
@given(changes=changes)
def test_no_order_of_comers_and_leavers_takes_more_seats_than_there_are(
    changes: list[tuple[str, str]],
) -> None:
    for job_id in IDS:
        InstanceRecord("i-1").unseat(job_id)
    stale, expected = InstanceRecord.read("i-1"), set[str]()
    for change, job_id in changes:
        if change == "unseat":
            stale.unseat(job_id)
            expected.discard(job_id)
            continue
        is_free = job_id in expected or len(expected) < config.gpu_seats
        # A record that was read before others came knows less than the table.
        assert seat(job_id) is is_free
        if is_free:
            expected.add(job_id)
    assert seated() == expected
    assert len(expected) <= config.gpu_seats


def test_who_has_a_seat_keeps_it_though_all_are_taken() -> None:
    assert all(seat(job_id) for job_id in IDS[: config.gpu_seats])
    assert seat(IDS[0])
    assert not seat(IDS[-1])
    assert seated() == {*IDS[: config.gpu_seats]}


def test_seats_of_one_instance_are_not_those_of_another() -> None:
    for name in ("i-1", "i-2"):
        assert all(seat(job_id, name) for job_id in IDS[: config.gpu_seats])
    assert not seat(IDS[-1], "i-2")


def test_who_has_no_seat_may_leave() -> None:
    InstanceRecord("i-1").unseat("never seated")
    seat("job")
    for _ in range(2):
        InstanceRecord("i-1").unseat("job")
        assert seated() == set()
    InstanceRecord("i-1").unseat("never seated")
    assert seat("job")


def test_nothing_is_known_of_the_pace_before_the_first_run() -> None:
    InstanceRecord("i-1").unseat("a run that failed")
    assert runs() is None
    assert runs(8.0) == 8.0


def test_the_pace_follows_the_recent_runs_and_no_single_one() -> None:
    assert runs(10, 20) == 12
    assert runs(12) == 12
    assert runs(*[30] * 30) == pytest.approx(30, abs=0.1)


def test_a_run_of_no_time_is_a_run() -> None:
    assert runs(10, 0) == 8


def test_what_an_instance_does_is_noted_beside_its_seats() -> None:
    record = InstanceRecord.read("i-1")
    seat("job")
    InstanceRecord("i-1").distrust("job-1", now=100)
    runs(5)
    record.note("busy", now=100.0, is_on=True)
    found = InstanceRecord.read("i-1")
    assert (found.state, found.since, found.suspect, found.run_seconds) == ("busy", 100, "job-1", 5)
    seat("job")
    record.note("idle", now=160.0, is_on=True)
    assert seated() == {"job"}


def test_since_when_is_without_a_break() -> None:
    record = InstanceRecord.read("i-1")
    noted = [record.note(doing, now=now, is_on=True) for doing, now in (("idle", 0), ("idle", 60))]
    assert noted == [0, 0]
    assert record.note("busy", now=120, is_on=True) == 120
    assert record.note("busy", now=120 + 3600, is_on=True) == 120 + 3600


def test_all_instances_are_listed() -> None:
    for name in ("i-1", "i-2"):
        seat("job", name)
    assert {record.id for record in InstanceRecord.all()} == {"i-1", "i-2"}


def test_an_instance_that_is_about_to_stop_has_no_seats() -> None:
    assert InstanceRecord("i-1").drain(until=130.0)
    assert not seat("job", now=129.9)
    assert seated() == set()
    assert seat("job", now=130.0)
    assert seat("job", "i-2", now=100.0)


def test_an_instance_with_a_job_is_not_about_to_stop() -> None:
    seat("job")
    assert not InstanceRecord("i-1").drain(until=130.0)
    assert seat("another")
    for job_id in ("job", "another"):
        InstanceRecord("i-1").unseat(job_id)
    assert InstanceRecord("i-1").drain(until=130.0)


def test_a_suspicion_can_be_forgotten() -> None:
    InstanceRecord("i-1").distrust("job-1", now=100)
    InstanceRecord.read("i-1").trust()
    assert InstanceRecord.read("i-1").suspect is None

"""A failed boot counts once for each start, whoever notices it."""

import pytest

from chalicelib.models.fleet import boots
from chalicelib.models.fleet.instance import InstanceRecord

pytestmark = pytest.mark.usefixtures("aws")


def record() -> InstanceRecord:
    return InstanceRecord.read("i-1")


def start(now: float) -> None:
    InstanceRecord("i-1").started(now=now)


def test_two_functions_that_notice_a_failed_boot_count_it_once() -> None:
    start(100)
    first, second = record(), record()
    boots.went_off(first, now=130)
    boots.went_off(second, now=131)
    assert (record().failed_boots, record().on_since) == (1, None)
    assert [boots.mark_logged(each) for each in (record(), record())] == [True, False]


def test_a_boot_that_was_stopped_and_is_then_seen_off_counts_once() -> None:
    start(100)
    stale = record()
    boots.failed(record(), "booting for 1800 s", now=1900)
    boots.went_off(stale, now=1960)
    assert (record().failed_boots, record().unhealthy_reason) == (1, "booting for 1800 s")


def test_each_failed_start_counts() -> None:
    for now in (100, 200, 300):
        start(now)
        boots.went_off(record(), now=now + 30)
        assert boots.mark_logged(record())
    assert (record().failed_boots, record().unhealthy_until) == (3, 330 + 3600)


def test_an_instance_that_became_ready_meanwhile_has_no_failed_boot() -> None:
    start(100)
    stale = record()
    InstanceRecord.read("i-1").became_ready(now=180)
    boots.failed(stale, "booting for 1800 s", now=1900)
    assert (record().failed_boots, boots.has_failed(record())) == (0, False)


def test_an_instance_that_was_stopped_on_purpose_has_no_failed_boot() -> None:
    start(100)
    InstanceRecord("i-1").drain(until=200)
    boots.went_off(record(), now=160)
    assert (record().failed_boots, record().on_since) == (0, None)


def test_an_instance_whose_warm_up_failed_and_that_went_off_keeps_the_reason() -> None:
    start(100)
    InstanceRecord("i-1").mark_unhealthy("the warm-up failed: CUDA error", now=150)
    boots.went_off(record(), now=160)
    assert (record().failed_boots, record().unhealthy_reason) == (
        1,
        "the warm-up failed: CUDA error",
    )


def test_a_warm_up_that_fails_before_the_start_is_noted_can_be_counted() -> None:
    InstanceRecord("i-1").mark_unhealthy("the warm-up failed", now=150)
    boots.failed(record(), "the warm-up failed", now=160)
    assert (record().started_at, record().failed_boots) == (150, 1)


def test_two_functions_that_read_a_report_note_it_once() -> None:
    start(100)
    InstanceRecord.read("i-1").became_ready(now=180)
    readers = record(), record()
    noted = [boots.note_report(each, {"kernel": 4.0}, seconds=70) for each in readers]
    assert noted == [True, False]
    assert (record().boot_seconds, record().boot_steps) == (70, {"kernel": 4.0})


def test_the_report_of_a_start_that_another_has_followed_is_not_noted() -> None:
    start(100)
    stale = record()
    start(200)
    assert not boots.note_report(stale, {"kernel": 4.0}, reason="it had no network")
    assert record().unhealthy_reason is None


def test_a_start_that_ec2_takes_back_is_no_failed_boot_and_is_noted_once() -> None:
    start(100)
    readers = record(), record()
    noted = [boots.taken_back(each, "g6.xlarge", now=120) for each in readers]
    assert noted == [True, False]
    assert (record().failed_boots, record().on_since) == (0, None)


def test_types_that_ec2_lacked_count_for_five_minutes_each() -> None:
    for now, name in ((100, "g6.xlarge"), (200, "g5.xlarge")):
        start(now)
        assert boots.taken_back(record(), name, now=now)
    assert boots.scarce_until(record(), now=210) == {"g6.xlarge": 400, "g5.xlarge": 500}
    assert boots.scarce_until(record(), now=400) == {"g5.xlarge": 500}


def test_an_instance_that_ec2_last_launched_long_before_the_start_has_no_failed_boot() -> None:
    start(1000)
    boots.went_off(record(), now=1030, launched_at=500)
    assert (record().failed_boots, record().on_since) == (0, None)
    start(1100)
    boots.went_off(record(), now=1130, launched_at=1099)
    assert record().failed_boots == 1


def test_a_reason_of_ec2_is_the_reason_of_a_failed_boot_even_without_a_launch() -> None:
    start(1000)
    boots.went_off(record(), now=1030, why="EC2 stopped it", launched_at=500)
    assert (record().failed_boots, record().unhealthy_reason) == (1, "EC2 stopped it")

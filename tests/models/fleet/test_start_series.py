"""The series of starts: one claim at a time, and only its holder writes the result."""

import pytest

from chalicelib.models.fleet.start_series import StartSeries
from tests.models.failing_dynamodb import lost_answer

pytestmark = pytest.mark.usefixtures("aws")


def claimed(now: float) -> StartSeries:
    series = StartSeries.read(now=now)
    assert series.claim(now=now, until=now + 30)
    return series


def stored() -> StartSeries:
    return StartSeries.read(now=0)


def test_a_claim_is_renewed_while_no_other_function_has_one_though_it_is_over() -> None:
    series = claimed(100)
    assert series.renew(now=100, until=150)
    assert series.renew(now=100, until=230)
    assert stored().next_at == 230
    assert not StartSeries.read(now=200).claim(now=200, until=230)


def test_a_claim_that_another_function_has_taken_over_is_not_renewed() -> None:
    first, second = claimed(100), claimed(130)
    assert not first.renew(now=100, until=190)
    assert stored().next_at == 160
    assert second.renew(now=100, until=190)


@pytest.mark.parametrize("end", ["succeed", "pause", "put_off"])
def test_a_function_without_the_claim_writes_no_result(end: str) -> None:
    first, _ = claimed(100), claimed(130)
    why = ("EC2 has none",) if end == "put_off" else ()
    getattr(first, end)(*why, until=999)
    assert (stored().next_at, stored().failed, stored().why) == (160, 0, None)


def test_a_renewal_whose_answer_is_lost_holds() -> None:
    series = claimed(100)
    with lost_answer("UpdateItem"):
        assert series.renew(now=100, until=150)


def test_a_renewal_keeps_that_old_failures_do_not_count() -> None:
    claimed(100).put_off("EC2 has none", until=140)
    series = claimed(5000)
    assert series.renew(now=100, until=5030)
    assert series.failed == 0


def test_under_a_hold_no_function_gets_the_right_to_start_nor_keeps_it() -> None:
    series = claimed(100)
    StartSeries().hold(until=400)
    assert not series.renew(now=110, until=140)
    assert not StartSeries.read(now=399).claim(now=399, until=430)
    assert StartSeries.read(now=400).claim(now=400, until=430)


def test_a_hold_that_is_ended_or_replaced_by_none_holds_nothing() -> None:
    StartSeries().hold(until=400)
    StartSeries().hold(until=None)
    assert claimed(100).renew(now=110, until=140)
    assert not stored().is_held(110)


def test_a_hold_stays_when_a_start_ends() -> None:
    series = claimed(100)
    StartSeries().hold(until=400)
    series.pause(until=110)
    assert stored().is_held(399)


def test_a_start_that_is_taken_back_counts_once_as_failed() -> None:
    claimed(100).succeed(until=110)
    readers = StartSeries.read(now=120), StartSeries.read(now=120)
    for each in readers:
        each.take_back("EC2 has none", now=120)
    assert (stored().failed, stored().why, stored().next_at) == (1, "EC2 has none", 120)


def test_a_start_that_is_taken_back_during_a_claim_leaves_the_claim_alone() -> None:
    claimed(100)
    StartSeries.read(now=120).take_back("EC2 has none", now=120)
    assert (stored().failed, stored().next_at) == (0, 130)

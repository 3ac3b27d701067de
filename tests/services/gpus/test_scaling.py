"""How many GPUs are wanted, and which may stop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.services.gpus.scaling import Limits, may_stop, wanted

jobs = st.integers(1, 100_000)
runs = st.none() | st.floats(0.01, 3600)
limits = st.builds(
    Limits,
    fleet_max=st.integers(1, 50),
    scale_wait_seconds=st.integers(1, 3600),
)
seconds = st.floats(0, 1e6)


@given(runs, limits)
def test_without_jobs_no_gpu_is_wanted(run: float | None, limit: Limits) -> None:
    assert wanted(0, run, limit) == 0


@given(jobs, runs, limits)
def test_any_job_deserves_a_gpu_and_none_more_than_all(
    count: int, run: float | None, limit: Limits
) -> None:
    assert 1 <= wanted(count, run, limit) <= limit.fleet_max


@given(jobs, jobs, runs, limits)
def test_more_jobs_never_want_fewer_gpus(
    some: int, more: int, run: float | None, limit: Limits
) -> None:
    assert wanted(some, run, limit) <= wanted(some + more, run, limit)


@given(jobs, st.floats(0.01, 3600), st.floats(1, 10), limits)
def test_longer_runs_never_want_fewer_gpus(
    count: int, run: float, times: float, limit: Limits
) -> None:
    assert wanted(count, run, limit) <= wanted(count, run * times, limit)


@given(jobs, st.floats(0.01, 3600), limits)
def test_the_backlog_is_gone_in_time_unless_the_fleet_is_too_small(
    count: int, run: float, limit: Limits
) -> None:
    gpus = wanted(count, run, limit)
    if gpus < limit.fleet_max:
        assert count * run / gpus <= limit.scale_wait_seconds * (1 + 1e-9)


@given(jobs, st.floats(0.01, 3600), limits)
def test_no_gpu_more_than_the_backlog_needs(count: int, run: float, limit: Limits) -> None:
    gpus = wanted(count, run, limit)
    if gpus > 1:
        assert count * run / (gpus - 1) > limit.scale_wait_seconds * (1 - 1e-9)


def test_before_the_first_run_an_image_is_taken_for_ten_seconds() -> None:
    limit = Limits(fleet_max=9, scale_wait_seconds=100)
    assert [wanted(count, None, limit) for count in (1, 10, 11, 20, 21)] == [1, 1, 2, 2, 3]


@given(seconds, st.integers(1, 50), st.integers(0, 9), seconds)
def test_nothing_stops_before_its_time(idle: float, on: int, count: int, limit: float) -> None:
    if may_stop(idle, on=on, open_jobs=count, limit_seconds=limit):
        assert idle >= limit


@given(seconds, st.integers(1, 9))
def test_the_last_one_stays_while_jobs_are_open(idle: float, count: int) -> None:
    assert not may_stop(idle, on=1, open_jobs=count, limit_seconds=0)


@pytest.mark.parametrize(("on", "count"), [(1, 0), (2, 0), (2, 1), (9, 1000)])
def test_what_was_idle_for_long_enough_may_stop(on: int, count: int) -> None:
    assert may_stop(300, on=on, open_jobs=count, limit_seconds=300)
    assert not may_stop(299.9, on=on, open_jobs=count, limit_seconds=300)

"""How many GPUs are wanted, and which may stop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.services.gpus.scaling import Limits, is_needed, wanted

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
def test_jobs_want_at_least_one_gpu_and_at_most_the_limit(
    count: int, run: float | None, limit: Limits
) -> None:
    assert 1 <= wanted(count, run, limit) <= limit.fleet_max


@given(jobs, jobs, runs, limits)
def test_more_jobs_never_want_fewer_gpus(
    some: int, more: int, run: float | None, limit: Limits
) -> None:
    assert wanted(some, run, limit) <= wanted(some + more, run, limit)


@given(jobs, st.floats(0.01, 3600), st.floats(1, 10), limits)
def test_longer_executions_never_want_fewer_gpus(
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
def test_no_more_gpus_are_wanted_than_the_backlog_needs(
    count: int, run: float, limit: Limits
) -> None:
    gpus = wanted(count, run, limit)
    if gpus > 1:
        assert count * run / (gpus - 1) > limit.scale_wait_seconds * (1 - 1e-9)


def test_before_the_first_execution_an_image_counts_as_ten_seconds() -> None:
    limit = Limits(fleet_max=9, scale_wait_seconds=100)
    assert [wanted(count, None, limit) for count in (1, 10, 11, 20, 21)] == [1, 1, 2, 2, 3]


@given(st.integers(1, 9))
def test_the_last_instance_is_needed_while_jobs_are_open(count: int) -> None:
    assert is_needed(on=1, open_jobs=count)


@pytest.mark.parametrize(("on", "count"), [(1, 0), (2, 0), (2, 1), (9, 1000)])
def test_an_idle_instance_is_not_needed_without_jobs_or_beside_another(on: int, count: int) -> None:
    assert not is_needed(on=on, open_jobs=count)

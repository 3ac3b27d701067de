"""The optimum, compared with every possible choice."""

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.simulation.optimum import optimum
from bench.simulation.policies import AlwaysOn, Fixed, Learned, Policy, terms
from bench.simulation.settings import Setting
from bench.simulation.traces import Job
from bench.simulation.world import World

SETTING = Setting()
POLICIES = st.one_of(
    st.builds(AlwaysOn),
    st.builds(Fixed, st.floats(0, 3600)),
    st.builds(Learned, st.just(terms(90, 210))),
)
TRACES = st.lists(st.tuples(st.floats(0, 900), st.floats(1, 200)), min_size=1, max_size=30).map(
    lambda each: arriving(each)
)
SHORT = st.lists(st.tuples(st.floats(0, 300), st.floats(1, 100)), min_size=1, max_size=8).map(
    lambda each: arriving(each)
)


def arriving(each: list[tuple[float, float]]) -> list[Job]:
    """Turn times since the previous job into arrival times."""
    at, jobs = 0.0, []
    for since, run_seconds in each:
        at += since
        jobs.append(Job(at, run_seconds))
    return jobs


def busy_times(jobs: list[Job]) -> list[tuple[float, float]]:
    """Return when a GPU that is always on begins and ends each job."""
    times: list[tuple[float, float]] = []
    for job in jobs:
        begins = max(job.arrives, times[-1][1] if times else job.arrives)
        times.append((begins, begins + job.run_seconds))
    return times


def billed(times: list[tuple[float, float]], stops: tuple[bool, ...]) -> float:
    """Return the billed seconds: each start from its boot to the end of its last job."""
    total, begins = 0.0, times[0][0]
    for (_, end), (begin, _), stop in zip(times, times[1:], stops, strict=False):
        if stop:
            total += max(end - begins + SETTING.boot_seconds, SETTING.least_billed_seconds)
            begins = begin
    last = times[-1][1] - begins + SETTING.boot_seconds
    return total + max(last, SETTING.least_billed_seconds)


@given(SHORT)
def test_no_choice_of_stops_is_cheaper_than_the_optimum(jobs: list[Job]) -> None:
    times = busy_times(jobs)
    # The next job would wait if the gap were shorter than a boot.
    may = [(False, begin - end >= SETTING.boot_seconds) for (_, end), (begin, _) in pairwise(times)]
    cheapest = min(billed(times, stops) for stops in product(*[sorted({*each}) for each in may]))
    assert optimum(SETTING, jobs).spent.seconds == pytest.approx(cheapest)


@given(TRACES, POLICIES)
def test_no_policy_is_cheaper_than_the_optimum_without_longer_waits(
    jobs: list[Job], policy: Policy
) -> None:
    best, outcome = optimum(SETTING, jobs), World(SETTING, policy).run(jobs, 0)
    assert all(
        ours <= theirs + 1e-6 for ours, theirs in zip(best.waits, outcome.waits, strict=True)
    )
    if sum(outcome.waits) <= sum(best.waits) + 1e-6:
        assert best.spent.seconds <= outcome.spent.seconds + 1e-6


def test_the_gpu_stops_in_a_gap_only_if_it_is_longer_than_a_boot() -> None:
    best = optimum(SETTING, [Job(0, 8), Job(98, 8), Job(197, 8)])
    spent = best.spent
    assert (spent.booting, spent.busy, spent.idle, spent.starts) == (180, 24, 90, 2)
    assert best.waits == [0, 0, 0]


def test_in_the_optimum_jobs_wait_for_other_jobs_but_not_for_boots() -> None:
    assert optimum(SETTING, [Job(0, 8), Job(1, 8)]).waits == [0, 7]


def test_a_boot_shorter_than_the_least_billed_time_is_refused() -> None:
    with pytest.raises(ValueError, match="least billed"):
        optimum(SETTING._replace(boot_seconds=59), [Job(0, 8)])

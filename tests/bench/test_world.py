"""The simulator, compared with figures that were worked out by hand."""

import pytest

from bench.simulation.policies import AlwaysOn, Fixed, Learned, terms
from bench.simulation.settings import Setting
from bench.simulation.traces import END, PATTERNS, Job, trace
from bench.simulation.world import Outcome, World

SETTING = Setting()


def spent(outcome: Outcome) -> tuple[float, float, float, int]:
    each = outcome.spent
    return each.booting, each.busy, each.idle, each.starts


def test_a_gpu_boots_for_one_job_and_idles_until_the_reconciler_stops_it() -> None:
    # Started at 10, ready at 100, done at 108; 408 is past the limit, the reconciler runs at 420.
    outcome = World(SETTING, Fixed(300)).run([Job(10, 8)], 3600)
    assert spent(outcome) == (90, 8, 312, 1)
    assert outcome.waits == [90]


def test_a_job_within_the_timeout_does_not_wait() -> None:
    # The second one runs from 200 to 208; the reconciler stops the GPU at 540.
    outcome = World(SETTING, Fixed(300)).run([Job(10, 8), Job(200, 8)], 3600)
    assert spent(outcome) == (90, 16, 92 + 332, 1)
    assert outcome.waits == [90, 0]


def test_a_job_after_the_timeout_waits_for_another_boot() -> None:
    outcome = World(SETTING, Fixed(300)).run([Job(10, 8), Job(430, 8)], 3600)
    # The second boot is over at 520, its job at 528, and the reconciler stops at 840.
    assert spent(outcome) == (180, 16, 312 + 312, 2)
    assert outcome.waits == [90, 90]


def test_jobs_run_one_by_one_in_their_order() -> None:
    outcome = World(SETTING, Fixed(300)).run([Job(0, 8), Job(1, 10), Job(2, 8)], 3600)
    assert outcome.waits == [90, 97, 106]


def test_a_job_does_not_wait_for_a_gpu_that_is_always_on() -> None:
    outcome = World(SETTING, AlwaysOn()).run([Job(10, 8)], 3600)
    assert spent(outcome) == (90, 8, 3592, 1)
    assert outcome.waits == [0]


def test_a_gpu_that_is_on_for_less_than_a_minute_is_billed_a_minute() -> None:
    # On from 10 until the reconciler runs at 60.
    setting = SETTING._replace(boot_seconds=10)
    outcome = World(setting, Fixed(0)).run([Job(10, 1)], 3600)
    assert outcome.spent.seconds == 60


def test_a_burst_starts_only_as_many_gpus_as_finish_it_in_time() -> None:
    # 45 jobs of 8 s are 360 s of work: two GPUs in 180 s, though three are allowed.
    setting = SETTING._replace(fleet_max=3)
    outcome = World(setting, Fixed(300)).run([Job(0, 8)] * 45, 3600)
    assert (outcome.spent.starts, outcome.spent.busy) == (2, 360)
    assert max(outcome.waits) == 90 + 22 * 8


def test_a_surplus_gpu_stops_while_another_one_works() -> None:
    # One works until 700; the other is idle from 112, and the reconciler stops it at 420.
    setting = SETTING._replace(fleet_max=2)
    jobs = [Job(0, 610), *[Job(0, 1)] * 22]
    outcome = World(setting, Fixed(300)).run(jobs, 3600)
    assert spent(outcome) == (180, 632, 308 + 320, 2)


def test_the_learned_policy_learns_from_idle_gaps() -> None:
    policy = Learned(terms(90, 210))
    World(SETTING, policy).run([Job(at * 5000, 8) for at in range(20)], 100_000)
    assert policy.limit_seconds == 60


@pytest.mark.parametrize("name", PATTERNS)
def test_a_seed_gives_the_same_trace_in_order_of_arrival(name: str) -> None:
    jobs = trace(name, 1)
    assert jobs == trace(name, 1)
    assert jobs != trace(name, 2)
    assert jobs == sorted(jobs, key=lambda job: job.arrives)
    assert 0 <= jobs[0].arrives <= jobs[-1].arrives < END

"""Many schedules at the same minute; `make bench` has a thousand of them."""

from statistics import median

from chalicelib.models.jobs.job import Job
from chalicelib.models.schedules.run import Run
from tests.conftest import empty_aws
from tests.virtual.running import accept_alone, run_at_once

MANY = 60
SMALL_ACCOUNT = 2  # functions for runs, as in infra/resources/functions.yaml


def test_a_thousand_runs_would_be_accepted_within_their_minute() -> None:
    with empty_aws():
        seconds = run_at_once(MANY, concurrency=SMALL_ACCOUNT).accepted
        assert len([*Run.scan(Run.status == "made")]) == MANY
        assert len([*Job.scan(Job.schedule_id.exists())]) == MANY
    assert len(seconds) == MANY
    assert max(seconds) * 1000 / MANY < 60
    first, last = seconds[: MANY // 2], seconds[MANY // 2 :]
    assert last[-1] - last[0] < 1.2 * (first[-1] - first[0]), "the last take longer than the first"


def test_other_callers_are_not_slower_while_schedules_fire() -> None:
    with empty_aws():
        others = run_at_once(MANY, concurrency=5).others
    with empty_aws():
        alone = accept_alone(len(others))
    assert median(others) < 1.1 * median(alone)

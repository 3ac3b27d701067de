"""Whatever goes wrong between any two steps, no job is lost, left or made twice."""

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.machine import Faults

# Of all stories the gate has the same ones every time; `make faults` tells others.
_EXAMPLES = int(os.environ.get("EXAMPLES", "0"))
_SETTINGS = settings(
    max_examples=_EXAMPLES or 50,
    derandomize=not _EXAMPLES,
    database=None,
    stateful_step_count=40,
    deadline=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


def test_no_job_is_lost_left_or_made_twice(aws: None, same_every_time: None) -> None:
    run_state_machine_as_test(Faults, settings=_SETTINGS)

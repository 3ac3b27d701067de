"""No job is lost, left unfinished or executed twice, and no run is lost or made twice.

Whatever fails between any two steps.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.machine import Faults
from tests.faults.run_machine import RunFaults

# The gate runs the same examples every time; `make faults` runs others.
_EXAMPLES = int(os.environ.get("EXAMPLES", "0"))


def _settings(examples: int) -> settings:
    return settings(
        max_examples=_EXAMPLES or examples,
        derandomize=not _EXAMPLES,
        database=None,
        stateful_step_count=40,
        deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )


def test_no_job_is_lost_left_unfinished_or_executed_twice(aws: None, repeatable: None) -> None:
    run_state_machine_as_test(Faults, settings=_settings(50))


def test_no_run_is_lost_or_made_twice(aws: None, repeatable: None) -> None:
    run_state_machine_as_test(RunFaults, settings=_settings(20))

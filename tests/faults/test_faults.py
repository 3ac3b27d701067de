"""Whatever goes wrong between any two steps, no job is lost, left or made twice."""

import logging
import os
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from chalicelib.gateways import comfyui
from chalicelib.models import table
from chalicelib.services import generation
from tests.faults.machine import Faults
from tests.faults.scheduler import sleep

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


class Ids:
    """Job ids in the order of creation, the same in every repetition."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._numbers = count(1)

    def __call__(self) -> str:
        return f"01J{next(self._numbers):023d}"


@pytest.fixture(autouse=True)
def same_every_time(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """No sleep but the scheduler's, no random ids, and no word about faults that are wanted."""
    ids = Ids()
    monkeypatch.setattr(Faults, "restart", ids.restart)
    monkeypatch.setattr(generation, "ULID", ids)
    monkeypatch.setattr(comfyui, "sleep", sleep)
    monkeypatch.setattr(table, "sleep", sleep)
    for name in ("darkroom", "darkroom.metrics"):
        caplog.set_level(logging.CRITICAL + 1, logger=name)


def test_no_job_is_lost_left_or_made_twice(aws: None) -> None:
    run_state_machine_as_test(Faults, settings=_SETTINGS)

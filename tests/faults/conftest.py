"""Fixtures that make every example repeatable."""

import logging
from itertools import count

import pytest

from chalicelib.gateways.comfyui import client as comfyui
from chalicelib.models import table
from chalicelib.services.jobs import submit
from chalicelib.services.schedules import schedules
from tests.faults.machine import Faults
from tests.faults.scheduler import sleep


class Ids:
    """Job ids in the order of creation, the same in every run."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._numbers = count(1)

    def __call__(self) -> str:
        return f"01J{next(self._numbers):023d}"


@pytest.fixture
def repeatable(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Sleep on the scheduler, count job ids, and log nothing about injected faults."""
    ids = Ids()
    monkeypatch.setattr(Faults, "restart", ids.restart)
    monkeypatch.setattr(submit, "ULID", ids)
    monkeypatch.setattr(schedules, "ULID", ids)
    monkeypatch.setattr(comfyui, "sleep", sleep)
    monkeypatch.setattr(table, "sleep", sleep)
    for name in ("darkroom", "darkroom.metrics"):
        caplog.set_level(logging.CRITICAL + 1, logger=name)

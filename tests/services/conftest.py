"""Fixtures that most tests of services use."""

import pytest

from chalicelib.services.reconciler import Reconciler
from tests.services.fakes import Clock, Parts
from tests.services.reconcilers import Gpus, reconciler_of


@pytest.fixture
def parts(aws: None) -> Parts:
    """The services of a function over fakes, with one GPU that is ready."""
    return Parts()


@pytest.fixture
def clock(parts: Parts) -> Clock:
    clock: Clock = parts.clock
    return clock


@pytest.fixture
def gpus() -> Gpus:
    """One running instance whose ComfyUI answers."""
    return Gpus("i-1")


@pytest.fixture
def reconciler(gpus: Gpus, parts: Parts) -> Reconciler:
    return reconciler_of(gpus, parts)

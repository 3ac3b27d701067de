"""The services of schedules over fakes."""

import pytest

from tests.services.schedules.fakes import Scheduling


@pytest.fixture
def scheduling(aws: None) -> Scheduling:
    return Scheduling()

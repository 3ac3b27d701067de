"""Tables that several threads use first at once."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.models import table
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.parameters import JobParameters
from chalicelib.models.keys.allowance import DailyWork


@pytest.fixture
def fast_switches() -> Iterator[None]:
    """Have Python switch between threads after each microsecond."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("aws", "fast_switches")
def test_threads_that_are_the_first_to_use_a_table_register_it_once() -> None:
    for _ in range(100):
        table._shared.cache_clear()
        Job._connection = None
        with ThreadPoolExecutor(4) as threads:
            kinds = (Job, JobParameters, DailyWork, Job)
            made = [threads.submit(kind._get_connection) for kind in kinds]
            assert len({id(each.result().connection) for each in made}) == 1

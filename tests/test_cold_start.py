"""What a cold start does once, or not at all."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import botocore
import pytest

from chalicelib.clients import Gateways
from chalicelib.config import config
from chalicelib.models import table
from chalicelib.models.jobs.job import Job

ROOT = Path(__file__).parent.parent

# Libraries that some requests need, and no cold start.
LATER = {"requests", "websocket", "zoneinfo", "multiprocessing", "http.server", "boto3"}


@pytest.fixture
def sessions() -> Iterator[list[Any]]:
    """The sessions of botocore that are made from now on."""
    made: list[Any] = []
    botocore.register_initializer(made.append)
    table._shared.cache_clear()
    yield made
    botocore.unregister_initializer(made.append)


def test_all_clients_and_threads_share_one_session(aws: None, sessions: list[Any]) -> None:
    table._shared.cache_clear()
    gateways = Gateways(config)
    with ThreadPoolExecutor(4) as threads:
        for made in [threads.submit(Job.count) for _ in range(4)]:
            assert made.result() == 0
    assert gateways.images
    assert gateways.messages
    assert len(sessions) == 1


def test_importing_the_application_does_not_import_what_only_some_requests_need() -> None:
    program = "import sys, app; print(*sys.modules)"
    run = [sys.executable, "-c", program]
    answer = subprocess.run(run, cwd=ROOT, env={}, capture_output=True, text=True, check=True)
    assert LATER.isdisjoint(answer.stdout.split())

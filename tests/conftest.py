"""AWS in process, a stand-in ComfyUI, and the application as API Gateway would call it."""

import moto  # before anything that could make a client  # isort: skip

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests import quick_aws
from tests.environment import (  # it sets what the configuration is read from
    CHECKPOINT,
    COMFYUI_PORT,
    QUEUE,
    REAL_COMFYUI_URL,
    UNDELIVERED,
    create_tables,
)
from tests.virtual import endpoint
from tests.virtual.memory import Memory

quick_aws.patch()
endpoint.listen()

# The configuration is read when the application is imported.
from chalice.test import Client, TestHTTPClient  # noqa: E402

import app  # noqa: E402
from chalicelib import bootstrap  # noqa: E402
from local.comfyui.background import serve  # noqa: E402
from tests.api.keyed import keyed  # noqa: E402

# The same examples in every run, so that a green gate stays green; RANDOMIZE=1 has others.
settings.register_profile(
    "darkroom",
    deadline=None,
    derandomize=not os.environ.get("RANDOMIZE"),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("darkroom")

# A client for each test would take half of the suite's time.
_client = cache(boto3.Session().client)


@contextmanager
def empty_aws(memory: Memory | None = None) -> Iterator[None]:
    """Empty tables, as the template declares them, bucket, queues and schedule group."""
    with moto.mock_aws(), endpoint.answering(memory or Memory()):
        forget_services()
        create_tables()
        _client("s3").create_bucket(Bucket="images")
        for queue in (QUEUE, UNDELIVERED):
            _client("sqs").create_queue(QueueName=queue)
        _client("scheduler").create_schedule_group(Name="schedules")
        yield


@pytest.fixture
def aws() -> Iterator[None]:
    """Empty tables, as the template declares them, bucket, queues and schedule group."""
    with empty_aws():
        yield


class Schedule(LoadScopeScheduling):
    """Spreads tests over processes, but keeps together what shares a costly fixture or a server."""

    _TOGETHER = (
        "tests/e2e/",
        "tests/bench/",
        "tests/infra/test_translated.py",
        "tests/virtual/test_full_queue.py",
        "tests/local/test_scheduler.py",
        "tests/services/billing/test_budget_crossed.py",
    )

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        if module.startswith("tests/contracts/") and REAL_COMFYUI_URL:
            return "contracts"
        return module if module.startswith(self._TOGETHER) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:
    return Schedule(config, log)


def pytest_collection_finish() -> None:
    """Leave what was imported out of garbage collection, which would look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def forget_services() -> None:
    """Make everything anew, as a fresh Lambda process would."""
    bootstrap.services.cache_clear()
    bootstrap.seed_catalogs.cache_clear()


@pytest.fixture
def http(aws: None) -> Iterator[TestHTTPClient]:
    """The API, whose ComfyUI is off unless `comfyui` is asked for too."""
    with Client(app.app) as client:
        yield keyed(client, app.app)


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[str]:
    """A stand-in ComfyUI at the configured address."""
    with serve(tmp_path, CHECKPOINT, port=COMFYUI_PORT) as url:
        yield url


@pytest.fixture
def sent(aws: None) -> "Messages":
    """What was sent to the queue."""
    return Messages()


class Messages:
    """Reads the queue; delays are asked for, not waited for."""

    def __len__(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
        counts = _client("sqs").get_queue_attributes(
            QueueUrl=os.environ["JOBS_QUEUE_URL"], AttributeNames=names
        )["Attributes"]
        return sum(int(counts[name]) for name in names)

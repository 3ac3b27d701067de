"""Log lines are JSON, each with the ids of its request, job and key."""

import json
import logging
from collections.abc import Callable, Iterator
from contextvars import copy_context
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from chalice.local import LambdaContext
from chalice.test import Client, TestHTTPClient

import app
from chalicelib import logs
from infra.keys import create
from tests.api.calls import generate_later
from tests.api.gateway import event_of

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def logged() -> Iterator[Lines]:
    """A function that returns the lines logged so far."""
    stream, logger = StringIO(), logging.getLogger("darkroom")
    handler, level = logging.StreamHandler(stream), logger.level
    handler.setFormatter(logs.JsonLines())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_request_is_logged_with_its_job_and_its_key(
    http: TestHTTPClient, comfyui: str, logged: Lines
) -> None:
    job_id = generate_later(http).json_body["id"]
    line = logged()[-1]
    assert line["logger"] == "darkroom.api"
    assert line["message"].endswith(" 202")
    assert (line["job_id"], len(line["key_id"]), line["level"]) == (job_id, 12, "INFO")
    assert line["request_id"]
    assert line["seconds"] >= 0


def test_a_worker_logs_which_job_it_drives(
    http: TestHTTPClient, comfyui: str, logged: Lines
) -> None:
    job_id = generate_later(http).json_body["id"]
    with Client(app.app) as client:
        sqs = client.events.generate_sqs_event(["static"], "jobs")
        app.work(sqs, LambdaContext("worker", 512, max_runtime_ms=90_000))
    [line] = [each for each in logged() if "JobsSucceeded" in each]
    assert line["job_id"] == job_id
    assert line["request_id"]


def test_a_thread_that_outlives_its_invocation_logs_the_ids_of_that_invocation() -> None:
    logs.begin(SimpleNamespace(aws_request_id="first"))
    logs.about(job_id="a")
    context = copy_context()
    logs.begin(SimpleNamespace(aws_request_id="second"))
    record = logging.makeLogRecord({"msg": "late"})
    line = json.loads(context.run(logs.JsonLines().format, record))
    assert (line["request_id"], line["job_id"]) == ("first", "a")
    assert json.loads(logs.JsonLines().format(record))["request_id"] == "second"


def test_an_invocation_does_not_log_the_job_of_the_one_before() -> None:
    logs.about(job_id="a")
    logs.begin(None)
    record = logging.makeLogRecord({"msg": "x"})
    assert "job_id" not in json.loads(logs.JsonLines().format(record))


def test_neither_keys_nor_prompts_are_logged(
    http: TestHTTPClient, comfyui: str, logged: Lines
) -> None:
    generate_later(http, prompt="a secret garden")
    text = json.dumps(logged())
    assert "job accepted" in text
    assert "secret garden" not in text
    assert http.token.split("_", 2)[2] not in text  # type: ignore[attr-defined]


def test_a_key_that_is_sent_as_a_part_of_a_path_is_logged_without_its_secret(
    aws: None, logged: Lines
) -> None:
    token = create("shop")
    event = event_of("GET", f"/api/images/keys/{token}", "/api/images/keys/{key_id}")
    app.app({**event, "pathParameters": {"key_id": token}}, None)
    assert logged()[-1]["message"] == f"GET /api/images/keys/{token[:16]}… 404"
    assert token[16:] not in str(logged())

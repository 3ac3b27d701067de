"""Metrics are log lines in CloudWatch's embedded metric format."""

import json
import logging
from typing import Any

import pytest
from chalice.test import TestHTTPClient

from chalicelib import logs, metrics
from tests.api.calls import JOBS, generate, generate_later, send


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    formatted = (logs.JsonLines().format(each) for each in caplog.records)
    return [line for each in formatted if "_aws" in (line := json.loads(each))]


def test_a_metric_is_a_log_line_in_the_embedded_metric_format(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics.emit("something happened", {"WaitSeconds": 1.5, "GpuStarts": 1}, job_id="a")
    [line] = lines(caplog)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive == {
        "Namespace": "Darkroom",
        "Dimensions": [["Stack"]],
        "Metrics": [
            {"Name": "WaitSeconds", "Unit": "Seconds"},
            {"Name": "GpuStarts", "Unit": "Count"},
        ],
    }
    assert line["_aws"]["Timestamp"] > 1e12
    assert (line["Stack"], line["WaitSeconds"], line["GpuStarts"]) == ("darkroom", 1.5, 1)
    assert (line["message"], line["job_id"]) == ("something happened", "a")


def test_a_job_is_counted_when_it_is_accepted_and_when_it_ends(
    http: TestHTTPClient, comfyui: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert generate(http).status_code == 200
    accepted, ended = lines(caplog)
    assert accepted["JobsAccepted"] == 1
    assert ended["JobsSucceeded"] == 1
    assert ended["job_id"] == accepted["job_id"]
    assert 0 <= ended["WaitSeconds"] <= ended["JobSeconds"]
    assert ended["GpuSeconds"] > 0


def test_a_job_that_is_canceled_twice_is_counted_once_as_canceled(
    http: TestHTTPClient, comfyui: str, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = generate_later(http).json_body["id"]
    for _ in range(2):
        assert send(http, "POST", f"{JOBS}/{job_id}/cancel").status_code == 200
    canceled = [line for line in lines(caplog) if "JobsCanceled" in line]
    assert [line["job_id"] for line in canceled] == [job_id]
    assert "WaitSeconds" not in canceled[0]


def test_metrics_are_logged_at_any_log_level() -> None:
    logs.configure()
    assert logging.getLogger("darkroom.metrics").isEnabledFor(logging.INFO)

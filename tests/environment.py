"""The environment in which the tests read the configuration, and the tables that they have."""

import os
import socket
from typing import Any

from infra.template import declared
from tests.virtual import endpoint

REGION = "us-east-1"
QUEUE, UNDELIVERED = "jobs", "undelivered-runs"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


COMFYUI_PORT = _free_port()
CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"

# Only the contract tests use a real ComfyUI. The workers of pytest-xdist inherit the environment
# of the process that starts them, so it keeps the caller's values under names of its own.
if "PYTEST_XDIST_WORKER" not in os.environ:
    for name in ("COMFYUI_URL", "CHECKPOINT"):
        os.environ[f"REAL_{name}"] = os.environ.get(name, "")
REAL_COMFYUI_URL = os.environ["REAL_COMFYUI_URL"].rstrip("/")
REAL_CHECKPOINT = os.environ["REAL_CHECKPOINT"]

os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "CATALOG_TABLE": "catalog",
    "JOBS_TABLE": "jobs",
    "FLEET_TABLE": "fleet",
    "KEYS_TABLE": "keys",
    "SCHEDULES_TABLE": "schedules",
    "RUNS_TABLE": "runs",
    "SCHEDULE_GROUP": "schedules",
    "SCHEDULER_ROLE_ARN": "arn:aws:iam::123456789012:role/scheduler",
    "RUNS_QUEUE_ARN": f"arn:aws:sqs:{REGION}:123456789012:runs",
    "UNDELIVERED_RUNS_QUEUE_ARN": f"arn:aws:sqs:{REGION}:123456789012:{UNDELIVERED}",
    "UNDELIVERED_RUNS_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/123456789012/{UNDELIVERED}",
    "IMAGES_BUCKET": "images",
    "JOBS_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/123456789012/{QUEUE}",
    "COMFYUI_URL": f"http://127.0.0.1:{COMFYUI_PORT}",
    "CHECKPOINT": CHECKPOINT,
    "LOG_LEVEL": "ERROR",
    "GPU_TYPES": "",  # instances keep their types
}
for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION", "API_URL", "IMAGE_BASE_URL"):
    os.environ.pop(name, None)

RESOURCES = declared()


TABLES = {
    "CatalogTable": "catalog",
    "JobsTable": "jobs",
    "FleetTable": "fleet",
    "KeysTable": "keys",
    "SchedulesTable": "schedules",
    "RunsTable": "runs",
}


def create_tables() -> None:
    """Create all tables in the memory that answers."""
    for resource, table in TABLES.items():
        _create_table(table, RESOURCES["Resources"][resource]["Properties"])


def _create_table(name: str, properties: dict[str, Any]) -> None:
    keys = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    declared = {key: properties[key] for key in keys if key in properties}
    endpoint.tables().ask("CreateTable", {"TableName": name, **declared})

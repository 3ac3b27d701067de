"""What the contract tests call: the tables in memory, moto, and a real endpoint if one is named."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import boto3
import moto
from botocore.exceptions import ClientError

from tests.virtual import endpoint
from tests.virtual.memory import Memory, Refused

ENDPOINT_URL = os.environ.get("DYNAMODB_ENDPOINT_URL", "")
_REGION = "us-east-1"

Answer = dict[str, Any]


def _string(name: str) -> dict[str, str]:
    return {"AttributeName": name, "AttributeType": "S"}


def _key(*names: str) -> list[dict[str, str]]:
    roles = ("HASH", "RANGE")
    return [
        {"AttributeName": name, "KeyType": role} for name, role in zip(names, roles, strict=False)
    ]


def _index(name: str, kind: str, *keys: str, more: tuple[str, ...] = ()) -> dict[str, Any]:
    projection: dict[str, Any] = {"ProjectionType": kind}
    if more:
        projection["NonKeyAttributes"] = [*more]
    return {"IndexName": name, "KeySchema": _key(*keys), "Projection": projection}


# Indexes as the tables of jobs and schedules have, and a table with a sort key, as that of runs.
TABLES: list[dict[str, Any]] = [
    {
        "TableName": "things",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _key("id"),
        "AttributeDefinitions": [
            *map(_string, ("id", "queue", "rank")),
            {"AttributeName": "due_at", "AttributeType": "N"},
        ],
        "GlobalSecondaryIndexes": [
            _index("by_queue", "KEYS_ONLY", "queue", "rank"),
            _index("by_rank", "INCLUDE", "rank", "id", more=("status",)),
            _index("by_due", "ALL", "queue", "due_at"),
        ],
    },
    {
        "TableName": "runs",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _key("of", "at"),
        "AttributeDefinitions": [*map(_string, ("of", "at"))],
    },
]


class Backend(Protocol):
    """Answers calls, or raises botocore's errors."""

    def __call__(self, operation: str, parameters: dict[str, Any]) -> Answer: ...


@contextmanager
def memory(**given: Any) -> Iterator[Backend]:
    """Tables in memory."""
    tables = Memory(**given)

    def ask(operation: str, parameters: dict[str, Any]) -> Answer:
        try:
            return tables.ask(operation, parameters)
        except Refused as refusal:
            response: Any = endpoint.error_of(refusal)
            raise ClientError(response, operation) from refusal

    for table in TABLES:
        ask("CreateTable", table)
    yield ask


@contextmanager
def in_moto() -> Iterator[Backend]:
    """moto's tables."""
    with moto.mock_aws():
        client = boto3.client("dynamodb", region_name=_REGION)
        for table in TABLES:
            client.create_table(**table)
        yield client._make_api_call


@contextmanager
def at_endpoint() -> Iterator[Backend]:
    """Tables of the endpoint that DYNAMODB_ENDPOINT_URL names, which are deleted at the end."""
    client = boto3.client("dynamodb", region_name=_REGION, endpoint_url=ENDPOINT_URL)
    for table in TABLES:
        client.create_table(**table)
    for table in TABLES:
        client.get_waiter("table_exists").wait(TableName=table["TableName"])
    try:
        yield client._make_api_call
    finally:
        for table in TABLES:
            client.delete_table(TableName=table["TableName"])
            client.get_waiter("table_not_exists").wait(TableName=table["TableName"])


MEMORY, MOTO, ENDPOINT = "memory", "moto", "endpoint"
BACKENDS: dict[str, Callable[[], Any]] = {MEMORY: memory, MOTO: in_moto, ENDPOINT: at_endpoint}
RIGHT = [MEMORY, *([ENDPOINT] if ENDPOINT_URL else [])]  # those that follow all rules
ALL = [*RIGHT, MOTO]
REFERENCE = ENDPOINT if ENDPOINT_URL else MOTO

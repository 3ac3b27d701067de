"""The wire between PynamoDB and moto's DynamoDB, on which calls get lost."""

import json
from collections.abc import Callable
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError, ReadTimeoutError
from moto.core.exceptions import JsonRESTError
from moto.dynamodb.responses import DynamoHandler

from chalicelib.models.table import _shared
from tests.faults.scheduler import Scheduler

_PATIENCE_SECONDS = 28  # of the client in models/table.py: 7 s, four times
_READS = ("GetItem", "Query", "Scan")
_TABLES = ("jobs", "fleet", "catalog")

Answer = dict[str, Any]


class Wire:
    """Stands in for the botocore client that all tables share; moto answers without its HTTP.

    Answers are kept until the next write: that makes reads cheap, and lets those that are not
    consistent answer as it was before that write.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._connection = _shared()
        self._client = self._connection.client
        self._scheduler = scheduler
        self._fresh: dict[str, Answer] = {}
        self._old: dict[str, Answer] = {}

    def __enter__(self) -> "Wire":
        self._connection._client = self  # type: ignore[assignment]
        for table in _TABLES:
            self._empty(table)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection._client = self._client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _make_api_call(self, operation: str, parameters: dict[str, Any]) -> Answer:
        key = f"{operation}{parameters}"
        old = self._old.get(key)
        is_lagging = old is not None and not parameters.get("ConsistentRead")
        answer: Answer = self._scheduler.call(
            _named(operation, parameters),
            lambda: self._answer(operation, parameters, key),
            _failure(operation),
            patience=_PATIENCE_SECONDS,
            stale=(lambda: old or {}) if is_lagging else None,
            # A repeated transaction carries the token of the first, and is answered as that was.
            repeats=operation == "UpdateItem",
        )
        return answer

    def _answer(self, operation: str, parameters: dict[str, Any], key: str) -> Answer:
        if operation not in _READS:
            answer = _ask(operation, parameters)
            self._old, self._fresh = {**self._old, **self._fresh}, {}
            return answer
        if key not in self._fresh:
            self._fresh[key] = _ask(operation, parameters)
        return self._fresh[key]

    def _empty(self, table: str) -> None:
        for item in _ask("Scan", {"TableName": table})["Items"]:
            names = ("catalog", "key") if table == "catalog" else ("id",)
            _ask("DeleteItem", {"TableName": table, "Key": {name: item[name] for name in names}})


def _ask(operation: str, parameters: dict[str, Any]) -> Answer:
    handler: Any = DynamoHandler()
    handler.region, handler.current_account = "us-east-1", "123456789012"
    handler.body = parameters
    try:
        answer: Answer = getattr(handler, xform_name(operation))().result
    except JsonRESTError as error:
        told = json.loads(str(error.description))
        code, reasons = told["__type"].rpartition("#")[2], told.get("CancellationReasons", [])
        refusal: Any = {"Error": {"Code": code}, "CancellationReasons": reasons}
        raise ClientError(refusal, operation) from error
    return answer


def _named(operation: str, parameters: dict[str, Any]) -> str:
    key: dict[str, dict[str, str]] = parameters.get("Key", {})
    where = parameters.get("IndexName") or parameters.get("TableName", "")
    item = " ".join(value for each in key.values() for value in each.values())
    return f"{operation} {where} {item} {parameters.get('UpdateExpression', '')[:60]}".rstrip()


def _failure(operation: str) -> Callable[[], Exception]:
    if operation in _READS:
        code = "ProvisionedThroughputExceededException"
        return lambda: ClientError({"Error": {"Code": code, "Message": code}}, operation)
    return lambda: ReadTimeoutError(endpoint_url="https://dynamodb")

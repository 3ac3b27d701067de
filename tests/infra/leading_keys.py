"""The partition keys that a call of DynamoDB names, and the conditions of IAM on them."""

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

TABLES = {
    os.environ["CATALOG_TABLE"]: "CatalogTable",
    os.environ["JOBS_TABLE"]: "JobsTable",
    os.environ["FLEET_TABLE"]: "FleetTable",
    os.environ["KEYS_TABLE"]: "KeysTable",
    os.environ["SCHEDULES_TABLE"]: "SchedulesTable",
    os.environ["RUNS_TABLE"]: "RunsTable",
}
_PARTITION_KEYS = {"CatalogTable": "catalog", "RunsTable": "schedule_id"}

KeyedCall = tuple[str, str, str]  # action, resource and partition key

# As IAM documents them: `ForAllValues` holds if each value that the request has passes, also if it
# has none; `Null` with "false" demands that it has one.
_ALL_OF = {
    "ForAllValues:StringEquals": lambda value, given: value in given,
    "ForAllValues:StringNotLike": lambda value, given: (
        not any(fnmatchcase(value, pattern) for pattern in given)
    ),
}


def permits(condition: dict[str, Any], keys: list[str]) -> bool:
    """Return whether a condition holds for a call of items with these partition keys."""
    return all(
        _holds(operator, given, keys)
        for operator, on in condition.items()
        for name, given in on.items()
        if name == "dynamodb:LeadingKeys"
    )


def _holds(operator: str, given: Any, keys: list[str]) -> bool:
    if operator == "Null":
        return bool(keys) == (given == "false")
    return all(_ALL_OF[operator](key, given) for key in keys)


def keyed_calls(operation: str, params: dict[str, Any]) -> Iterator[KeyedCall]:
    """Yield each item that a call reads or writes by its key; a query or scan has none here."""
    if operation == "TransactWriteItems":
        for each in params["TransactItems"]:
            for kind, item in each.items():
                action = kind if "Check" in kind else f"{kind}Item"
                yield _keyed(action, item["TableName"], item)
    elif operation == "BatchGetItem":
        for name, wanted in params["RequestItems"].items():
            for key in wanted["Keys"]:
                yield _keyed(operation, name, {"Key": key})
    elif operation.endswith("Item"):
        yield _keyed(operation, params["TableName"], params)


def _keyed(operation: str, name: str, item: dict[str, Any]) -> KeyedCall:
    table = TABLES[name]
    key = (item.get("Key") or item["Item"])[_PARTITION_KEYS.get(table, "id")]["S"]
    return f"dynamodb:{operation}", table, key

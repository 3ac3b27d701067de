"""DynamoDB in memory, by its documented rules: quick also with 100,000 items in an index."""

import time
from collections.abc import Callable, Collection
from threading import RLock
from typing import NamedTuple

from tests.virtual.memory.reads import Answer, Parameters, batch_get, get, query, scan
from tests.virtual.memory.refusals import Refused, invalid
from tests.virtual.memory.schemas import Schema
from tests.virtual.memory.tables import Clock, Lag, Snapshot, Table, Tables
from tests.virtual.memory.transactions import Transactions, batch_write
from tests.virtual.memory.values import Item, copied
from tests.virtual.memory.writes import delete, put, update

__all__ = ["Memory", "Refused", "Saved"]

_PLACEHOLDERS = {"ExpressionAttributeNames", "ExpressionAttributeValues"}
_READ = {*_PLACEHOLDERS, "TableName", "ReturnConsumedCapacity", "ConsistentRead"} | {
    "ProjectionExpression"
}
_PAGE = {*_READ, "IndexName", "FilterExpression", "Limit", "ExclusiveStartKey", "Select"}
_BATCH = {"RequestItems", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics"}
_WRITE = {*_PLACEHOLDERS, "TableName", "ConditionExpression", "ReturnValues"} | {
    "ReturnValuesOnConditionCheckFailure",
    "ReturnConsumedCapacity",
    "ReturnItemCollectionMetrics",
}
# The parameters that each operation takes here; others are not modelled.
_KNOWN = {
    "GetItem": _READ | {"Key"},
    "Query": _PAGE | {"KeyConditionExpression", "ScanIndexForward"},
    "Scan": _PAGE,
    "PutItem": _WRITE | {"Item"},
    "UpdateItem": _WRITE | {"Key", "UpdateExpression"},
    "DeleteItem": _WRITE | {"Key"},
    "BatchGetItem": _BATCH,
    "BatchWriteItem": _BATCH,
    "TransactWriteItems": (_BATCH - {"RequestItems"}) | {"TransactItems", "ClientRequestToken"},
    "DescribeTable": {"TableName"},
    "DeleteTable": {"TableName"},
    "ListTables": set[str](),
    "CreateTable": {"TableName", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes"}
    | {"BillingMode"},
}
_ON_TABLE: dict[str, Callable[[Table, Parameters], Answer]] = {
    "GetItem": get,
    "Query": query,
    "Scan": scan,
    "PutItem": put,
    "UpdateItem": update,
    "DeleteItem": delete,
}


class Saved(NamedTuple):
    """A snapshot."""

    tables: Snapshot
    done: dict[str, tuple[float, bytes]]


class Memory:
    """An account's tables. Two calls at once are answered one after the other.

    With `lag`, the indexes show a write only after the seconds that it returns for that write.
    """

    def __init__(self, clock: Clock = time.time, lag: Lag | None = None) -> None:
        self._tables = Tables(clock, lag)
        self._transactions = Transactions(self._tables, clock)
        self._one_at_a_time = RLock()
        self._on_all: dict[str, Callable[[Parameters], Answer]] = {
            "BatchGetItem": lambda parameters: batch_get(self._tables, parameters),
            "BatchWriteItem": lambda parameters: batch_write(self._tables, parameters),
            "TransactWriteItems": self._transactions.write,
            "CreateTable": self._create,
            "DeleteTable": self._delete,
            "DescribeTable": self._describe,
            "ListTables": lambda _: {"TableNames": self._tables.names},
        }

    def ask(self, operation: str, parameters: Parameters) -> Answer:
        """Return the answer to a call, or raise Refused."""
        if unknown := parameters.keys() - _KNOWN[operation]:
            raise NotImplementedError(f"{operation} with {sorted(unknown)}")
        with self._one_at_a_time:
            answer: Answer = copied(self._answer(operation, parameters))
        return answer

    def fill(self, table: str, items: Collection[Item]) -> None:
        """Put very many new items into a table, in a tenth of the time of as many calls."""
        with self._one_at_a_time:
            self._tables.table(table).fill(items)

    def copy(self) -> Saved:
        """Return a snapshot of everything; it is cheap."""
        with self._one_at_a_time:
            return Saved(self._tables.copy(), {**self._transactions.done})

    def restore(self, saved: Saved) -> None:
        """Go back to a snapshot, which can be restored again."""
        with self._one_at_a_time:
            self._tables.restore(saved.tables)
            self._transactions.done = {**saved.done}

    def digest(self) -> str:
        """Return a digest that is the same for the same items, in every process."""
        with self._one_at_a_time:
            return self._tables.digest()

    def _answer(self, operation: str, parameters: Parameters) -> Answer:
        if operation not in _ON_TABLE:
            return self._on_all[operation](parameters)
        return _ON_TABLE[operation](self._tables.table(parameters["TableName"]), parameters)

    def _create(self, parameters: Parameters) -> Answer:
        name = parameters["TableName"]
        if name in self._tables.names:
            raise Refused("ResourceInUseException", f"Table already exists: {name}")
        schema = Schema(name, parameters)
        if {*schema.kinds} != schema.key_names:
            raise invalid("Some AttributeDefinitions are not used, or some keys are not defined")
        self._tables.create(schema)
        return {"TableDescription": {"TableName": name, "TableStatus": "ACTIVE"}}

    def _delete(self, parameters: Parameters) -> Answer:
        self._tables.delete(parameters["TableName"])
        return {"TableDescription": {**parameters, "TableStatus": "DELETING"}}

    def _describe(self, parameters: Parameters) -> Answer:
        return {"Table": self._tables.table(parameters["TableName"]).description()}

"""What all tables share. The one place that touches PynamoDB 6.1.0's private parts."""

from functools import cache
from typing import ClassVar

from pynamodb.connection import Connection
from pynamodb.connection.table import TableConnection
from pynamodb.exceptions import PynamoDBConnectionError, TransactWriteError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

# PynamoDB's 15 s and 30 s would outlast the callers of the API.
_CONNECT_SECONDS = 2
_READ_SECONDS = 5
_RETRIES = 4

# Why DynamoDB cancels a transaction: a condition did not hold, or another is under way.
REFUSED = "ConditionalCheckFailed"
CONFLICT = "TransactionConflict"


@cache
def _shared() -> Connection:
    return Connection(
        connect_timeout_seconds=_CONNECT_SECONDS,
        read_timeout_seconds=_READ_SECONDS,
        max_retry_attempts=_RETRIES,
        max_pool_connections=16,
    )


class Table(Model):
    """Base of every table: one botocore client for all, as each costs about 60 ms to make.

    `beside` names the class that declares the table when items of another kind share it.
    """

    beside: ClassVar["type[Table] | None"] = None

    @classmethod
    def _get_connection(cls) -> TableConnection:
        if cls.beside:
            return cls.beside._get_connection()
        made: TableConnection = super()._get_connection()
        if made.connection is not _shared():
            _shared().add_meta_table(made.get_meta_table())
            made.connection = _shared()
        return made


def transaction() -> TransactWrite:
    """Open a transaction: all of its writes happen, or none."""
    return TransactWrite(connection=_shared())


def was_refused(error: PynamoDBConnectionError) -> bool:
    """Tell a condition that did not hold from a failure of DynamoDB."""
    # PynamoDB's `cause_response_code` fails on an answer that never came: there is no response.
    response = getattr(error.cause, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code == "ConditionalCheckFailedException"


def is_contended(error: PynamoDBConnectionError) -> bool:
    """Tell a write that met a transaction on the same item: nothing of it was done."""
    response = getattr(error.cause, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code == f"{CONFLICT}Exception"


def cancellations(error: TransactWriteError) -> list[str]:
    """Say for each item of a failed transaction, in order, what was wrong with it, or ""."""
    return [reason.code if reason else "" for reason in error.cancellation_reasons]


def lost_race(error: TransactWriteError) -> bool:
    """Tell a transaction that others were faster than from a failure of DynamoDB."""
    return not {REFUSED, CONFLICT}.isdisjoint(cancellations(error))

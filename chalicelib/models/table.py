"""The base of all tables, and the only module that uses private parts of PynamoDB 6.1.0."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, cached_property
from threading import Lock
from time import sleep
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

from botocore.config import Config
from pynamodb.connection import Connection
from pynamodb.connection.table import TableConnection
from pynamodb.exceptions import (
    PutError,
    PynamoDBConnectionError,
    PynamoDBException,
    TransactWriteError,
    UpdateError,
    VerboseClientError,
)
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from chalicelib.errors import Overloaded, Unanswered
from chalicelib.version import VERSION

C = TypeVar("C", bound=Connection)

# PynamoDB's defaults, 15 s and 30 s, are longer than callers of the API wait.
_CONNECT_SECONDS = 2
_READ_SECONDS = 5
_RETRIES = 4

# Why DynamoDB cancels a transaction: a condition failed, or another one is in progress.
REFUSED = "ConditionalCheckFailed"
CONFLICT = "TransactionConflict"

# Errors that say that nothing was written, after which the write is retried here. botocore does
# not retry conflicts and canceled transactions, nor anything on a client without retries.
_CONFLICTED = f"{CONFLICT}Exception"
_THROTTLED = {
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
}
_CANCELED = "TransactionCanceledException"
_PASSING = {CONFLICT, "ThrottlingError", "ProvisionedThroughputExceeded"}
_PAUSES = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28)  # seconds, with a jitter of half of each
# Errors that do not say whether something was written.
_BROKEN = ("InternalServerError", "ServiceUnavailable")

_BATCH = 100  # items that DynamoDB reads in one call

_making, _registering = Lock(), Lock()
_is_sent_once: ContextVar[bool] = ContextVar("is_sent_once", default=False)


class _Connection(Connection):
    """A connection with two clients: one retries unanswered requests, the other does not."""

    _client_once: Any = None

    @cached_property
    def session(self) -> Any:
        """The session of the first thread. PynamoDB has one for each, which takes 12 ms to make."""
        made: Any = super().session
        # Else botocore composes this header anew for each request, which takes 12 % of its time.
        agent = f"darkroom/{VERSION} {made.user_agent_name}/{made.user_agent_version}"
        made.set_default_client_config(Config(user_agent=agent))
        return made

    @property
    def client(self) -> Any:
        with _making:  # as threads share the session
            repeating = super().client
            if not _is_sent_once.get():
                return repeating
            if self._client_once is None:
                self._client_once = self._made_once(repeating)
            return self._client_once

    def _made_once(self, repeating: Any) -> Any:
        once = _connection(Connection, retries=0)
        once._local.session = self.session
        made: Any = once.client
        # Both share open connections, which a read of the same request has just shown to work.
        made._endpoint.http_session = repeating._endpoint.http_session
        return made

    def _make_api_call(self, operation_name: str, operation_kwargs: dict[str, Any]) -> Any:
        is_certain, pauses = True, iter(_PAUSES)
        while True:
            try:
                return super()._make_api_call(operation_name, operation_kwargs)
            except VerboseClientError as error:
                # The first of two requests may have been executed, and its response lost.
                is_certain = is_certain and not _was_repeated(error)
                error.wrote_nothing = is_certain and _is_passing(error)
                pause = next(pauses, None)
                if pause is None or not _is_repeated_here(error):
                    raise
            sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - it spreads load


def _was_repeated(error: VerboseClientError) -> bool:
    """Return whether botocore has sent a request more than once."""
    response: Any = getattr(error.__cause__, "response", {})
    return bool(response.get("ResponseMetadata", {}).get("RetryAttempts"))


def _is_repeated_here(error: VerboseClientError) -> bool:
    """Return whether a request may be retried and botocore does not retry it."""
    code = error.response["Error"].get("Code")
    return _is_passing(error) and (code not in _THROTTLED or _is_sent_once.get())


def _is_passing(error: VerboseClientError) -> bool:
    """Return whether DynamoDB throttled a write, or another one was in progress."""
    code = error.response["Error"].get("Code")
    if code == _CANCELED:
        reasons = {each.code for each in error.cancellation_reasons if each}
        return bool(reasons) and reasons <= _PASSING
    return code == _CONFLICTED or code in _THROTTLED


@cache
def _shared() -> _Connection:
    return _connection(_Connection, retries=_RETRIES)


def session() -> Any:
    """Return the botocore session of the tables' clients, with which others are made too."""
    return _shared().session


def prepare() -> None:
    """Make the clients of all tables; they connect when they are used."""
    with sent_once():
        _ = _shared().client


def _connection(kind: type[C], *, retries: int) -> C:
    return kind(
        connect_timeout_seconds=_CONNECT_SECONDS,
        read_timeout_seconds=_READ_SECONDS,
        max_retry_attempts=retries,
        max_pool_connections=16,
    )


class Table(Model):
    """Base of every table: one botocore client for all, as each takes time to make.

    `beside` is the class that declares the table, for items of another kind that share it.
    """

    beside: ClassVar["type[Table] | None"] = None

    @classmethod
    def _get_connection(cls) -> TableConnection:
        if cls.beside:
            return cls.beside._get_connection()
        with _registering:  # as several threads may be the first to use a table
            made: TableConnection = super()._get_connection()
            if made.connection is not _shared():
                _shared().add_meta_table(made.get_meta_table())
                made.connection = _shared()
        return made

    def create(self) -> None:
        """Store a new item, whose id no other item has.

        If the item exists, it was stored by the same request, whose response was lost and which was
        repeated. It may have changed since, and is left as it is. Raise Overloaded when DynamoDB
        throttles and nothing is stored, and Unanswered when it is not known whether it is.
        """
        try:
            attribute: Any = type(self)._hash_key_attribute()  # type: ignore[no-untyped-call]
            self.save(condition=attribute.does_not_exist())
        except PutError as error:
            if passing := unavailable(error):
                raise passing from error
            if not was_refused(error):
                raise

    def update_if(self, condition: Condition, *actions: Action) -> bool:
        """Write if a condition holds; return whether it did."""
        try:
            self.update([*actions], condition=condition)
        except UpdateError as error:
            if not was_refused(error):
                raise
            return False
        return True


def read_together(kinds: Mapping[str, type[Table]], *, consistent: bool) -> dict[str, Table]:
    """Return items of one table; `kinds` has the class of each id. A call reads up to 100.

    Items that do not exist are left out.
    """
    first: Any = next(iter(kinds.values()))
    keys: Any = [{"id": {"S": each}} for each in kinds]
    found: dict[str, Table] = {}
    while keys:
        page, rest = first._batch_get_page(keys[:_BATCH], consistent or None, None)
        for raw in page:
            item_id = raw["id"]["S"]
            found[item_id] = kinds[item_id].from_raw_data(raw)
        keys = keys[_BATCH:] + (rest or [])
    return found


def read_all(kind_of: Callable[[str], type[Table]], table: type[Table]) -> list[Table]:
    """Return all items of a small table, each of the class that `kind_of` has for its id."""
    found: list[Table] = []
    connection, start = table._get_connection(), None
    while True:
        page: Any = connection.scan(consistent_read=True, exclusive_start_key=start)
        found += [kind_of(raw["id"]["S"]).from_raw_data(raw) for raw in page["Items"]]
        if not (start := page.get("LastEvaluatedKey")):
            return found


@contextmanager
def sent_once() -> Iterator[None]:
    """Do not retry writes that were not answered: counters would count them twice.

    Raise Unanswered when a response is lost and it is not known whether the write was done. Raise
    Overloaded when DynamoDB throttles and nothing was written.
    """
    token = _is_sent_once.set(True)
    try:
        yield
    except PynamoDBConnectionError as error:
        if passing := unavailable(error):
            raise passing from error
        raise
    finally:
        _is_sent_once.reset(token)


def unavailable(error: PynamoDBException) -> Overloaded | Unanswered | None:
    """Return the error of a failed write that the caller should retry, or None."""
    if getattr(error.cause, "wrote_nothing", False):
        return Overloaded("the database is overloaded; nothing was stored")
    response = getattr(error.cause, "response", None)
    is_lost = response is None or response.get("Error", {}).get("Code") in _BROKEN
    if is_lost or (isinstance(error.cause, VerboseClientError) and _is_passing(error.cause)):
        return Unanswered("the database did not answer in time")
    return None


def transaction() -> TransactWrite:
    """Open a transaction: all of its writes happen or none, and only once if it is sent again."""
    return TransactWrite(connection=_shared(), client_request_token=uuid4().hex)


def was_refused(error: PynamoDBConnectionError) -> bool:
    """Return whether a write failed because its condition did not hold."""
    # PynamoDB's `cause_response_code` fails if there was no response.
    response = getattr(error.cause, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code == "ConditionalCheckFailedException"


def cancellations(error: TransactWriteError) -> list[str]:
    """Return the reason for each item of a failed transaction, in order; "" if there is none."""
    return [reason.code if reason else "" for reason in error.cancellation_reasons]


def lost_race(error: TransactWriteError) -> bool:
    """Return whether a transaction failed because another write was faster."""
    return not {REFUSED, CONFLICT}.isdisjoint(cancellations(error))


def set_or_remove(attribute: Any, value: Any) -> Action:
    """Set a value, or remove it for None, so that a condition can test whether there is one."""
    action: Action = attribute.remove() if value is None else attribute.set(value)
    return action

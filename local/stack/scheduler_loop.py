"""How the emulated Scheduler looks for schedules that are due, and sends their messages."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from ministack.core.responses import (
    get_account_id,
    get_region,
    set_request_account_id,
    set_request_region,
)
from ministack.services import scheduler, sqs

from local.stack.firing import LAST_FIRED, Record, due, failure, filled, is_complete

_logger = logging.getLogger(__name__)

Key = tuple[str, str, str]  # account, region, and group/name


class _Undelivered(Exception):
    """The queue did not take the message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def look() -> None:
    """Fire all schedules that are due."""
    now = time.time()
    for key, record in list(scheduler._schedules._data.items()):
        try:
            _serve(key, record, now)
        except Exception:
            _logger.exception("The schedule %s cannot be served", key)


def _serve(key: Key, record: Record, now: float) -> None:
    if scheduler._schedules._data.get(key) is not record:
        return  # it was changed or deleted during this look
    for run in due(record, now):
        record[LAST_FIRED] = run
        with _scope(key):
            _fire(record, run)
    if is_complete(record, now):
        scheduler._schedules._data.pop(key, None)


@contextmanager
def _scope(key: Key) -> Iterator[None]:
    """Act in the account and region of a schedule."""
    before = get_account_id(), get_region()
    set_request_account_id(key[0])
    set_request_region(key[1])
    try:
        yield
    finally:
        set_request_account_id(before[0])
        set_request_region(before[1])


def _fire(record: Record, run: float) -> None:
    target, execution = record["Target"], str(uuid4())
    text = filled(target.get("Input", "{}"), record, run, execution)
    try:
        _send(target["Arn"], {"MessageBody": text, **target.get("SqsParameters", {})})
    except _Undelivered as error:
        _logger.warning("The schedule %s was not delivered: %s", record["Arn"], error)
        if letters := target.get("DeadLetterConfig", {}).get("Arn"):
            why = failure(record, run, execution, code=error.code, message=str(error))
            _send(letters, {"MessageBody": text, "MessageAttributes": why})


def _send(arn: str, message: dict[str, Any]) -> None:
    """Send to a queue; it is the only kind of target here."""
    queue = sqs._queue_by_arn(arn)
    if queue is None:
        code = "AWS.SimpleQueueService.NonExistentQueue"
        raise _Undelivered(code, "The specified queue does not exist.")
    try:
        # The emulator's threads that feed functions replace the list of messages under this lock.
        with sqs._queues_lock:
            sqs._act_send_message(message, queue["url"])
    except sqs._Err as error:
        raise _Undelivered(error.code, error.message) from error

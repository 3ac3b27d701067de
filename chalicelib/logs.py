"""Logs as JSON lines, each with the id of the invocation that wrote it."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from chalicelib.config import config

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
# A thread that outlives its invocation goes on with what it was begun with.
_invocation: ContextVar[dict[str, Any]] = ContextVar("invocation")


class JsonLines(logging.Formatter):
    """One JSON object a record; what a caller of the logger gives as `extra` stands beside."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure() -> None:
    """Send the lines of all our loggers to standard output, in place of Lambda's own format."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("darkroom")
    logger.handlers = [handler]
    logger.setLevel(config.log_level)
    logger.propagate = False
    # CloudWatch reads the metrics from these lines, whatever else is logged.
    logging.getLogger("darkroom.metrics").setLevel(logging.INFO)


def begin(context: Any) -> None:
    """Mark all lines from here on as those of one Lambda invocation."""
    _invocation.set({"request_id": getattr(context, "aws_request_id", None)})


def about(**facts: Any) -> None:
    """Have the invocation's further lines say what it is about, as `job_id` or `key_id`."""
    _invocation.set({**_facts(), **facts})


def _facts() -> dict[str, Any]:
    return _invocation.get({"request_id": None})

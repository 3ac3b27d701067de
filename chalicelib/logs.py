"""Logs as JSON lines, each with the id of the invocation that wrote it."""

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from chalicelib.config import config

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
# A caller may send a key in a path, where its id belongs.
_SECRET = re.compile(r"(dk_[a-z0-9]{12}_)[A-Za-z0-9_-]+")
# A thread that outlives its invocation keeps the values that it started with.
_invocation: ContextVar[dict[str, Any]] = ContextVar("invocation")


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object, to which the fields of `extra` are added."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _SECRET.sub(r"\1…", record.getMessage()),
            **_facts(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure() -> None:
    """Send the lines of all `darkroom` loggers to standard output, in place of Lambda's format."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("darkroom")
    logger.handlers = [handler]
    logger.setLevel(config.log_level)
    logger.propagate = False
    # CloudWatch reads the metrics from these lines, whatever the log level is.
    logging.getLogger("darkroom.metrics").setLevel(logging.INFO)


def begin(context: Any) -> None:
    """Mark all further lines as those of one Lambda invocation."""
    _invocation.set({"request_id": getattr(context, "aws_request_id", None)})


def about(**facts: Any) -> None:
    """Add fields, such as `job_id` or `key_id`, to the invocation's further lines."""
    _invocation.set({**_facts(), **facts})


def _facts() -> dict[str, Any]:
    return _invocation.get({"request_id": None})

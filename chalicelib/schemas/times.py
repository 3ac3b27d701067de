"""Times as callers read them."""

from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    """Write a time as RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

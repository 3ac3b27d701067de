"""Times as callers read them."""

from datetime import UTC, datetime


def moment(seconds: float, *, now: float) -> str:
    """Write a time for people, with its date unless that is today's, in UTC."""
    at = datetime.fromtimestamp(seconds, UTC)
    is_today = at.date() == datetime.fromtimestamp(now, UTC).date()
    return at.strftime("%H:%M:%S UTC" if is_today else "%Y-%m-%d %H:%M:%S UTC")


def timestamp(seconds: float) -> str:
    """Write a time as RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

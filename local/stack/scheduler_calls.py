"""What EventBridge Scheduler checks in a call, the record it makes of it, and its pages."""

import base64
import re
from collections.abc import Iterator
from typing import Any

from chalicelib.errors import InvalidRequest
from chalicelib.services.schedules.expressions import parse
from chalicelib.services.schedules.zones import zone_of

PAGE_SIZE = 100
_NAME = "[0-9a-zA-Z-_.]+"
_EARLIEST_START_SECONDS = 300
_RETRIES = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
_RANGES = {"MaximumEventAgeInSeconds": (60, 86_400), "MaximumRetryAttempts": (0, 185)}
_LENGTHS = {
    "ScheduleExpression": 256,
    "ScheduleExpressionTimezone": 50,
    "Description": 512,
    "ClientToken": 64,
}
_CHOICES = {"State": ("ENABLED", "DISABLED"), "ActionAfterCompletion": ("NONE", "DELETE")}

Body = dict[str, Any]


class Refused(Exception):
    """Scheduler answers with an error."""

    def __init__(
        self, message: str, *, code: str = "ValidationException", status: int = 400
    ) -> None:
        super().__init__(message)
        self.code, self.status = code, status


def not_found(what: str) -> Refused:
    return Refused(f"{what} does not exist.", code="ResourceNotFoundException", status=404)


def check(name: str, body: Body, now: float) -> None:
    """Raise Refused if AWS would not create or update a schedule with this body."""
    found = [*_names(name, body), *_missing(body), *_lengths(body), *_choices(body)]
    found += [*_retries(body), *_window(body)]
    if found:
        errors = "1 validation error" if len(found) == 1 else f"{len(found)} validation errors"
        raise Refused(f"{errors} detected: {'; '.join(found)}")
    _check_expression(body)
    _check_dates(body, now)


def record_of(body: Body) -> dict[str, Any]:
    """Return what is stored of a checked body: what it leaves out has its default."""
    target = body["Target"]
    return {
        "GroupName": group_of(body),
        "ScheduleExpression": body["ScheduleExpression"],
        "ScheduleExpressionTimezone": body.get("ScheduleExpressionTimezone", "UTC"),
        "FlexibleTimeWindow": body["FlexibleTimeWindow"],
        "Target": {**target, "RetryPolicy": {**_RETRIES, **target.get("RetryPolicy", {})}},
        "State": body.get("State", "ENABLED"),
        "ActionAfterCompletion": body.get("ActionAfterCompletion", "NONE"),
        **{key: body.get(key) for key in ("Description", "StartDate", "EndDate", "KmsKeyArn")},
    }


def group_of(body: Body) -> str:
    return str(body.get("GroupName", "default"))


def page(names: list[str], size: str, token: str | None) -> tuple[list[str], str | None]:
    """Return the names of a page, and the token of the next page if there is one."""
    if not size.isdecimal() or not 1 <= int(size) <= PAGE_SIZE:
        raise Refused(_violation(size, "maxResults", f"have value between 1 and {PAGE_SIZE}"))
    after = _decoded(token) if token else ""
    rest = sorted(name for name in names if name > after)
    shown = rest[: int(size)]
    more = len(rest) > len(shown)
    return shown, base64.urlsafe_b64encode(shown[-1].encode()).decode() if more else None


def _decoded(token: str) -> str:
    try:
        return base64.b64decode(token, b"-_", validate=True).decode()
    except ValueError:
        raise Refused("Invalid NextToken.") from None


def _names(name: str, body: Body) -> Iterator[str]:
    for field, value in (("name", name), ("groupName", group_of(body))):
        if not re.fullmatch(_NAME, value):
            yield _violation(value, field, f"satisfy regular expression pattern: {_NAME}")
        if len(value) > 64:
            yield _violation(value, field, "have length less than or equal to 64")


def _missing(body: Body) -> Iterator[str]:
    target = body.get("Target") or {}
    for field, value in {
        "scheduleExpression": body.get("ScheduleExpression"),
        "flexibleTimeWindow": body.get("FlexibleTimeWindow"),
        "target": body.get("Target"),
        "target.arn": target.get("Arn"),
        "target.roleArn": target.get("RoleArn"),
    }.items():
        if not value and (target or not field.startswith("target.")):
            yield _violation(None, field, "not be null")


def _lengths(body: Body) -> Iterator[str]:
    for field, most in _LENGTHS.items():
        if len(body.get(field) or "") > most:
            yield _violation(body[field], field, f"have length less than or equal to {most}")


def _choices(body: Body) -> Iterator[str]:
    for field, choices in _CHOICES.items():
        if body.get(field, choices[0]) not in choices:
            wanted = f"satisfy enum value set: [{', '.join(choices)}]"
            yield _violation(body[field], field, wanted)


def _retries(body: Body) -> Iterator[str]:
    policy = (body.get("Target") or {}).get("RetryPolicy") or {}
    for field, (least, most) in _RANGES.items():
        value = policy.get(field, least)
        at = f"target.retryPolicy.{_small(field)}"
        if value < least:
            yield _violation(value, at, f"have value greater than or equal to {least}")
        if value > most:
            yield _violation(value, at, f"have value less than or equal to {most}")


def _window(body: Body) -> Iterator[str]:
    window = body.get("FlexibleTimeWindow") or {}
    if window and window.get("Mode") not in ("OFF", "FLEXIBLE"):
        wanted = "satisfy enum value set: [OFF, FLEXIBLE]"
        yield _violation(window.get("Mode"), "flexibleTimeWindow.mode", wanted)


def _check_expression(body: Body) -> None:
    expression, zone = body["ScheduleExpression"], body.get("ScheduleExpressionTimezone", "UTC")
    try:
        parse(expression)
    except InvalidRequest:
        raise Refused(f"Invalid Schedule Expression {expression}.") from None
    try:
        zone_of(zone)
    except InvalidRequest:
        raise Refused(f"Invalid Schedule Expression Timezone {zone}.") from None


def _check_dates(body: Body, now: float) -> None:
    start, end = body.get("StartDate"), body.get("EndDate")
    if start is not None and start < now - _EARLIEST_START_SECONDS:
        raise Refused("The StartDate you specify cannot be earlier than 5 minutes ago.")
    if start is not None and end is not None and end < start:
        raise Refused("The EndDate you specify cannot be earlier than the StartDate.")


def _violation(value: Any, field: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    at = _small(field)
    return f"Value {shown} at '{at}' failed to satisfy constraint: Member must {constraint}"


def _small(field: str) -> str:
    return field[0].lower() + field[1:]

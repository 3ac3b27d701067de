"""The errors of DynamoDB."""

from typing import Any


class Refused(Exception):
    """DynamoDB refuses a call; `details` are more members of its response."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.details = code, message, details


def invalid(message: str) -> Refused:
    """Return the error of a request that DynamoDB does not understand or allow."""
    return Refused("ValidationException", message)


def unmet(item: dict[str, Any] | None) -> Refused:
    """Return the error of a condition that does not hold; `item` is shown if there is one."""
    details = {} if item is None else {"Item": item}
    message = "The conditional request failed"
    return Refused("ConditionalCheckFailedException", message, **details)


def absent(table: str) -> Refused:
    """Return the error of a call on a table that does not exist."""
    message = f"Requested resource not found: Table: {table} not found"
    return Refused("ResourceNotFoundException", message)

"""The shape of every error, and texts that no error may contain."""

import json
from pathlib import Path
from typing import Any

from chalice.test import HTTPResponse

ROOT = str(Path(__file__).parents[2])
LEAKS = ("Traceback", ROOT, "botocore", ".py", "pynamodb", "msgspec")


def check_error(
    response: HTTPResponse, status: int, field: str | None = None, sent: str = ""
) -> dict[str, str]:
    """Check an error against the contract; return its details. It may repeat the text in `sent`."""
    assert response.status_code == status, response.body
    body = response.json_body
    assert body.keys() == {"status", "message", "details"}
    assert body["status"] == "error"
    assert has_text(body["message"])
    details: dict[str, str] = body["details"]
    allowed = {"error", "suggestion", "field", "code", "job"}
    assert {"error", "suggestion"} <= details.keys() <= allowed
    named = details.get("field", field or "-")
    assert has_text(details["error"])
    assert has_text(details["suggestion"])
    # An unknown field is named as it was sent, even if its name is blank.
    assert has_text(named) or json.dumps(named) in sent, details
    assert field is None or details["field"] == field
    assert response.headers["Content-Type"] == "application/json"
    check_cors(response.headers)
    text = response.body.decode()
    assert not [leak for leak in LEAKS if leak in text and leak not in sent], text
    return details


def check_cors(headers: dict[str, Any]) -> None:
    """Check that browsers may read the response and the headers that callers need."""
    assert headers["Access-Control-Allow-Origin"] == "*"
    exposed = {name.strip() for name in headers["Access-Control-Expose-Headers"].split(",")}
    assert exposed >= {"Link", "Location", "Retry-After", "Preference-Applied", "Idempotency-Key"}


def has_text(text: object) -> bool:
    """Return whether a value is a text that is not blank."""
    return isinstance(text, str) and bool(text.strip())

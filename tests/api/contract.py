"""The one shape of every error, and what may never be in it."""

import json
from pathlib import Path
from typing import Any

from chalice.test import HTTPResponse

ROOT = str(Path(__file__).parents[2])
LEAKS = ("Traceback", ROOT, "botocore", ".py", "pynamodb", "msgspec")


def check_error(
    response: HTTPResponse, status: int, field: str | None = None, sent: str = ""
) -> dict[str, str]:
    """Hold an error to the contract; return its details. What was `sent` may be echoed."""
    assert response.status_code == status, response.body
    body = response.json_body
    assert body.keys() == {"status", "message", "details"}
    assert body["status"] == "error"
    assert is_written(body["message"])
    details: dict[str, str] = body["details"]
    allowed = {"error", "suggestion", "field", "code", "job"}
    assert {"error", "suggestion"} <= details.keys() <= allowed
    named = details.get("field", field or "-")
    assert is_written(details["error"])
    assert is_written(details["suggestion"])
    # An unknown field is named as it was sent, be it blank.
    assert is_written(named) or json.dumps(named) in sent, details
    assert field is None or details["field"] == field
    assert response.headers["Content-Type"] == "application/json"
    check_cors(response.headers)
    text = response.body.decode()
    assert not [leak for leak in LEAKS if leak in text and leak not in sent], text
    return details


def check_cors(headers: dict[str, Any]) -> None:
    """Browsers may read the answer and the headers that matter."""
    assert headers["Access-Control-Allow-Origin"] == "*"
    exposed = {name.strip() for name in headers["Access-Control-Expose-Headers"].split(",")}
    assert exposed >= {"Link", "Location", "Retry-After", "Preference-Applied", "Idempotency-Key"}


def is_written(text: object) -> bool:
    """Tell a text with something in it."""
    return isinstance(text, str) and bool(text.strip())

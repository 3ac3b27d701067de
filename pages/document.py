"""The OpenAPI document, with the URL at which the API is called."""

import json
import os
from functools import cache
from typing import Any

from pages.files import HERE, File, versioned


@cache
def _committed() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((HERE / "openapi.json").read_bytes())
    return document


def document(event: dict[str, Any]) -> File:
    """Return the document for the API that this request has called."""
    text = json.dumps(
        {**_committed(), "servers": [{"url": _url(event)}]},
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return versioned(text, "application/json")


def _url(event: dict[str, Any]) -> str:
    """Return `API_URL`, else the caller's base URL, as the API does in its links."""
    if given := os.environ.get("API_URL"):
        return given.rstrip("/")
    headers = event["headers"]
    # It begins with the stage, or with the base path of a custom domain.
    called = event["requestContext"]["path"].rstrip("/").removesuffix(event["resource"])
    scheme = headers.get("x-forwarded-proto", "https")
    return f"{scheme}://{headers.get('host', 'localhost')}{called}"

"""Answers to requests for pages: what API Gateway invokes."""

import json
import os
from typing import Any

from pages.document import document
from pages.files import File, find

METHODS = ("GET", "HEAD")
DOCUMENT = "/api/images/openapi.json"

_FOREVER = "public, max-age=31536000, immutable"
_FOR_MINUTES = "public, max-age=300"
_IF_UNCHANGED = "no-cache"

Event = dict[str, Any]
Answer = dict[str, Any]


def serve(event: Event, _context: object) -> Answer:
    """Answer a request."""
    headers = {name.lower(): value for name, value in (event["headers"] or {}).items()}
    answer = _answer({**event, "headers": headers})
    answer["headers"] = {**_common_headers(), **answer["headers"]}
    return {**answer, "body": ""} if event["httpMethod"] == "HEAD" else answer


def _answer(event: Event) -> Answer:
    if event["httpMethod"] not in METHODS:
        return _not_allowed()
    if event["resource"] == DOCUMENT:
        return _content(event, document(event), _FOR_MINUTES)
    folder = event["resource"].split("/")[3]
    name = (event["pathParameters"] or {}).get("file", "")
    if not name and event["path"].endswith("/"):
        return _moved(f"../{folder}")
    file = find(folder, name)
    return _content(event, file, _lifetime(event, file)) if file else _not_found()


def _lifetime(event: Event, file: File) -> str:
    """Return for how long a file may be cached: forever if its address has its version."""
    asked = (event["queryStringParameters"] or {}).get("v")
    return _FOREVER if asked == file.version else _IF_UNCHANGED


def _content(event: Event, file: File, lifetime: str) -> Answer:
    tag = f'W/"{file.version}"'  # weak, as API Gateway may compress the text
    headers = {
        "Content-Type": f"{file.kind}; charset=utf-8",
        "Cache-Control": lifetime,
        "ETag": tag,
        "Vary": "Accept-Encoding",
    }
    if tag in _known_tags(event):
        return {"statusCode": 304, "headers": headers, "body": ""}
    return {"statusCode": 200, "headers": headers, "body": file.text}


def _known_tags(event: Event) -> list[str]:
    """Return the versions that the caller has already."""
    return [tag.strip() for tag in event["headers"].get("if-none-match", "").split(",")]


def _moved(location: str) -> Answer:
    """Send the caller to the address to which the links of a page are relative."""
    return {"statusCode": 308, "headers": {"Location": location}, "body": ""}


def _not_found() -> Answer:
    return _error(
        404,
        "Not found",
        "nothing is served at this path",
        "Check the path; the API documentation lists all paths",
    )


def _not_allowed() -> Answer:
    allowed = ", ".join(METHODS)
    error = "this path does not support this method"
    answer = _error(405, "Method not allowed", error, f"Use one of: {allowed}")
    answer["headers"]["Allow"] = allowed
    return answer


def _error(status_code: int, message: str, error: str, suggestion: str) -> Answer:
    details = {"error": error, "suggestion": suggestion}
    body = {"status": "error", "message": message, "details": details}
    return {
        "statusCode": status_code,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(body, separators=(",", ":")),
    }


def _common_headers() -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": os.environ.get("ALLOWED_ORIGIN", "*"),
        "Content-Security-Policy": _policy(),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _policy() -> str:
    """Return what a page may load: its own files, answers of the API, and images by their links."""
    # The API's own URL, if it is another one than the page's, and where image links lead to.
    called = os.environ.get("CALLED_URLS", "").split()
    origins = dict.fromkeys("/".join(url.split("/")[:3]) for url in called)
    connect = " ".join(["'self'", *origins])
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            f"connect-src {connect}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )

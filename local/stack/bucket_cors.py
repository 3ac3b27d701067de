"""The CORS configuration of buckets, which the emulator obeys only where it checks signatures."""

from typing import Any

from ministack import app
from ministack.core.router import detect_service
from ministack.services import s3

Headers = dict[str, str]

_dispatched = app._dispatch_service_request
_preflighted = app._handle_options_request


def mend() -> None:
    """Answer requests for objects with the CORS headers of their bucket, and no others."""
    app._dispatch_service_request = _dispatch
    app._handle_options_request = _preflight


async def _dispatch(
    method: str, path: str, headers: Headers, body: bytes, query: Any, request_id: str
) -> Any:
    given = (method, path, headers, body, query, request_id)
    status, answered, content = await _dispatched(*given)
    if target := _target(method, path, headers, query):
        bucket, _ = target
        answered = {name: answered[name] for name in answered if not _is_cors(name)}
        answered |= s3.cors_response_headers(bucket, method, headers)
    return status, answered, content


def _preflight(method: str, path: str, headers: Headers, query: Any, request_id: str) -> Any:
    target = _target(method, path, headers, query)
    if method != "OPTIONS" or target is None:
        return _preflighted(method, path, headers, query, request_id)
    status, answered, content = s3.cors_preflight(*target, headers)
    return status, {**answered, "x-amz-request-id": request_id}, content


def _target(method: str, path: str, headers: Headers, query: Any) -> tuple[str, str] | None:
    """Return the bucket and the key that a request is for; None for other services."""
    if detect_service(method, path, headers, query) != "s3":
        return None
    target: tuple[str, str] | None = app._s3_cors_target(headers.get("host", ""), path)
    return target


def _is_cors(name: str) -> bool:
    return name.lower().startswith("access-control-")

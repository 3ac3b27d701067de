"""Compressed bodies of requests, which API Gateway decompresses and the emulator does not.

API Gateway knows gzip and deflate, with MinimumCompressionSize or without, and answers 415 itself
if it does not know the coding or the body is not coded so.
"""

import gzip
import zlib
from collections.abc import Callable
from typing import Any

from ministack.services import apigateway_v1

_CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "identity": bytes,
}
_ERRORS = (KeyError, OSError, EOFError, zlib.error)

_executed = apigateway_v1._execute_in_scope


def mend() -> None:
    """Decompress the bodies of requests to a REST API."""
    apigateway_v1._execute_in_scope = _execute


async def _execute(
    request: dict[str, Any],
    api_id: str,
    stage: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    *more: Any,
) -> Any:
    stages = apigateway_v1._stages_v1.get(api_id, {})
    if body and stage in stages:
        coding = headers.get("content-encoding", "").strip().lower() or "identity"
        try:
            body = _CODINGS[coding](body)
        except _ERRORS:
            request["stage"] = stages[stage]
            return apigateway_v1._gw_error("UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type")
    return await _executed(request, api_id, stage, method, path, headers, body, *more)

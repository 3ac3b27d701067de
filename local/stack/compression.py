"""Compressed bodies, of which API Gateway decompresses those of requests and compresses answers.

API Gateway knows gzip and deflate of requests, with MinimumCompressionSize or without, and answers
415 itself if it does not know the coding or the body is not coded so. It compresses an answer of
at least MinimumCompressionSize bytes if the caller accepts that. The emulator does neither.
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
    """Decompress the bodies of requests to a REST API, and compress those of its answers."""
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
    answer = await _executed(request, api_id, stage, method, path, headers, body, *more)
    least = apigateway_v1._rest_apis.get(api_id, {}).get("minimumCompressionSize")
    accepted = "gzip" in headers.get("accept-encoding", "")
    return _compressed(answer, int(least)) if least is not None and accepted else answer


def _compressed(answer: Any, least: int) -> Any:
    if not isinstance(answer, tuple) or len(answer[2]) < least:
        return answer
    status, headers, content = answer
    return status, {**headers, "Content-Encoding": "gzip"}, gzip.compress(content, 6)

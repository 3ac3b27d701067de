"""A caller's preferences: the headers `Prefer` (RFC 7240) and `Idempotency-Key`."""

import re
from hashlib import sha256
from typing import Annotated

import msgspec
from chalice.app import Request
from msgspec import Meta

from chalicelib.api.operation import Header, Parameter
from chalicelib.api.routes import Headers, own_path, query
from chalicelib.config import config
from chalicelib.errors import InvalidRequest
from chalicelib.schemas.limits import WaitSeconds
from chalicelib.schemas.parsing import convert

_DIGITS = 9  # read of a number of seconds, as int() is slow on very long numbers
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?0*(\d+)\"?\s*(?:$|[,;])", re.IGNORECASE)
_ASYNC = re.compile(r"(?:^|[,;])\s*respond-async\s*(?:$|[,;])", re.IGNORECASE)

# What `followed` returns, which a result address repeats.
VISIBLE = r"^[\x21-\x7e][\x20-\x7e]{0,254}\Z"
PREFERENCE = r"^(respond-async)?(, )?(wait=[0-9]{1,3})?\Z"

_KEY = re.compile(VISIBLE)

WAIT = Parameter(
    "wait",
    WaitSeconds,
    "How many seconds to wait for the image. It overrules `Prefer`. A wait that is longer than one"
    " answer may take leads through redirects (303), which clients follow.",
)
PREFER = Parameter(
    "Prefer",
    str,
    "`respond-async` answers 202 at once; `wait=N` waits at most N seconds, 0 to 450 (RFC 7240).",
    "header",
)
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    Annotated[str, Meta(pattern=VISIBLE)],
    "Makes the request safe to repeat: the same key and body find what the first one made.",
    "header",
)
APPLIED = (
    Header("Preference-Applied", "The preferences that were followed.", is_always_there=False),
    Header("Idempotency-Key", "The key of the request.", is_always_there=False),
)


def wait_seconds(request: Request) -> int:
    """Return how long the caller waits for the image; 0 for `respond-async` without `wait`.

    The query parameter `wait` wins over the header. Raise InvalidRequest if it is no such number.
    """
    longest = config.longest_chain_seconds
    if (asked := query(request).get("wait")) is not None:
        return min(int(convert(asked, WaitSeconds, "wait")), longest)
    prefer = request.headers.get("prefer", "")
    if preferred := _WAIT.search(prefer):
        return min(int(preferred[1][:_DIGITS]), longest)
    return 0 if _ASYNC.search(prefer) else config.wait_seconds


def followed(request: Request, *, waits: bool = True) -> Headers:
    """Return headers that name the applied preferences: `wait` only if the route `waits`."""
    is_overruled = waits and "wait" in query(request)
    prefer = "" if is_overruled else request.headers.get("prefer", "")
    applied = ["respond-async"] if _ASYNC.search(prefer) else []
    if waits and _WAIT.search(prefer):
        applied.append(f"wait={wait_seconds(request)}")
    headers: Headers = {"Preference-Applied": ", ".join(applied)} if applied else {}
    if key := idempotency_key(request):
        headers["Idempotency-Key"] = key
    return headers


def idempotency_key(request: Request) -> str | None:
    """Return the key; raise InvalidRequest if it is not 1 to 255 printable ASCII characters."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.match(key):
        raise InvalidRequest(
            "Idempotency-Key must be 1 to 255 printable ASCII characters",
            field="Idempotency-Key",
            suggestion="Send a UUID",
        )
    return key


def fingerprint(request: Request, body: object) -> str:
    """Return a hash of a request's path and content; the formatting of the JSON does not count."""
    content = msgspec.json.encode(body, order="sorted")
    return sha256(f"{own_path(request)}\n".encode() + content).hexdigest()

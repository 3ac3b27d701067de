"""The Lambda authorizer of all routes: it checks the API key in `Authorization: Bearer KEY`.

It is a separate function that does not import `app.py`, which halves its start time.
"""

import json
import logging
import re
import time
from typing import Any

from chalice import Blueprint
from chalice.app import AuthRequest

from chalicelib import garbage, logs
from chalicelib.config import handler
from chalicelib.errors import TooManyRequests, Unauthenticated
from chalicelib.models import table
from chalicelib.models.keys.api_key import ApiKey

logs.configure()
log = logging.getLogger("darkroom.authorizer")

authorizers = Blueprint(__name__)

_SCHEME = "bearer"
_HOP = re.compile(r"^[^/]+/[^/]+/(GET|POST)/api/images/results/[A-Za-z0-9_-]+\Z")


# API Gateway caches no result, so a revoked key is refused from the next request on.
@authorizers.authorizer(name="authorizer", ttl_seconds=0)
def authorize(request: AuthRequest) -> dict[str, Any]:
    """Allow a request with a valid key, and pass on what the API needs to know about the key."""
    try:
        token, now = _token(request), time.time()
        # A caller that waits in a chain of redirects has been counted when it began.
        is_counted = not _HOP.search(request.method_arn)
        key = ApiKey.admit(token, now=now) if is_counted else ApiKey.known(token, now=now)
    except Unauthenticated as error:
        log.info("request denied: %s", error)
        return _policy(request, "Deny", "anonymous", {})
    except TooManyRequests as error:
        # A denial cannot carry Retry-After, so the API function refuses the request.
        refusal = {"refusal": str(error), "retry_seconds": error.retry_seconds}
        return _policy(request, "Allow", "limited", refusal)
    log.info("request admitted", extra={"key_id": key.id})
    about = {
        "key_id": key.id,
        "owner": key.owner,
        "scopes": json.dumps(key.granted),
        "images_per_day": int(key.images_per_day),
        "megapixel_steps_per_day": int(key.megapixel_steps_per_day),
    }
    return _policy(request, "Allow", key.id, about)


def _token(request: AuthRequest) -> str:
    """Return the token after `Bearer` in any case; raise Unauthenticated (RFC 6750, 2.1)."""
    scheme, _, token = str(request.token).partition(" ")
    if scheme.lower() != _SCHEME:
        raise Unauthenticated("the header is not of the form Bearer KEY")
    return token.strip()


def _policy(
    request: AuthRequest, effect: str, principal: str, context: dict[str, object]
) -> dict[str, Any]:
    statement = {
        "Action": "execute-api:Invoke",
        "Effect": effect,
        "Resource": [request.method_arn],
    }
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": principal, "policyDocument": document, "context": context}


if handler == f"{__name__}.authorize":  # `bootstrap.prepare` is for the functions of `app.py`
    garbage.leave_out_imported()
    table.prepare()

"""The Chalice application. Every error that it returns follows the error contract."""

import logging
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, cast

from chalice import Chalice, CORSConfig, Response
from chalice.app import Request

from chalicelib import logs
from chalicelib.api.errors import answer, encoded, internal
from chalicelib.api.identity import identity
from chalicelib.config import config
from chalicelib.errors import DarkroomError, MethodNotAllowed, NotFound

log = logging.getLogger("darkroom.api")

# infra/resources/keep_active.yaml sends it.
KEEP_ACTIVE = {"source": "darkroom.keep-active", "Records": []}

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ANY_PATH = "/{proxy+}"

CORS = CORSConfig(
    allow_origin=config.allowed_origin,
    allow_headers=["Content-Type", "Prefer", "Idempotency-Key"],
    expose_headers=[
        "Link",
        "Location",
        "Retry-After",
        "Preference-Applied",
        "Idempotency-Key",
        "x-amzn-RequestId",
    ],
    max_age=600,
)

Answer = dict[str, Any]


class Application(Chalice):
    """A Chalice app that answers every path and method, and all errors in one shape."""

    def __init__(self, app_name: str) -> None:
        super().__init__(app_name, configure_logs=False)
        self.api.cors = CORS

    def __call__(self, event: Any, context: Any) -> Answer:
        """Answer one API Gateway request; ignore the daily event that keeps the function active."""
        if event == KEEP_ACTIVE:
            return {}
        logs.begin(context)
        began = monotonic()
        answered = self._guarded(event, context)
        log.info(
            "%s %s %s",
            event.get("httpMethod"),
            event.get("path"),
            answered["statusCode"],
            extra={"seconds": round(monotonic() - began, 3)},
        )
        return answered

    def _guarded(self, event: Any, context: Any) -> Answer:
        try:
            answered: Answer = super().__call__(event, context)
        except Exception:
            log.exception("unexpected error outside a view")
            return _answered(internal())
        return answered if _conforms(answered) else _answered(_meant(answered))

    def demand_key(self, authorizer: Any) -> None:
        """Put an authorizer before all routes; call this last. Preflights need no key."""
        for methods in self.routes.values():
            for route in methods.values():
                route.authorizer = authorizer

    def refuse_the_rest(self) -> None:
        """Answer 404 for unknown paths and 405 for other methods; call this after all routes.

        API Gateway itself would answer both with 403 and another body.
        """
        for path, methods in list(self.routes.items()):
            allowed = ", ".join(method for method in METHODS if method in methods)
            others = [method for method in METHODS if method not in methods]
            self._refuse(path, others, partial(_not_allowed, allowed))
        for path in ("/", ANY_PATH):
            self._refuse(path, list(METHODS), _not_found)

    def _refuse(self, path: str, methods: list[str], error: Callable[[], DarkroomError]) -> None:
        def refuse(**_: str) -> Response:
            try:
                identity(cast("Request", self.current_request))
            except DarkroomError as refusal:  # the key's request limit applies here, too
                return encoded(answer(refusal))
            return encoded(answer(error()))

        self.route(path, methods=methods, content_types=[])(refuse)


def _not_allowed(allowed: str) -> DarkroomError:
    return MethodNotAllowed("this path does not support this method", allowed=allowed)


def _not_found() -> DarkroomError:
    return NotFound(
        "nothing is served at this path",
        suggestion="Check the path; the API documentation lists all paths",
    )


def _conforms(answered: Answer) -> bool:
    return answered["statusCode"] < 400 or '"status":"error"' in str(answered["body"])


def _meant(answered: Answer) -> DarkroomError:
    """Translate an error response that Chalice itself made outside a view."""
    # Each path has a view for every method of HTTP that `METHODS` names; others are unknown.
    return _not_found() if answered["statusCode"] in (403, 405) else internal()


def _answered(error: DarkroomError) -> Answer:
    response = encoded(answer(error))
    response.headers.update(CORS.get_access_control_headers())
    return {
        "statusCode": response.status_code,
        "headers": response.headers,
        "multiValueHeaders": {},
        "body": response.body,
    }

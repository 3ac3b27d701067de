"""Blueprints whose views take typed bodies and return errors as the contract says."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from chalice import Blueprint, Response
from chalice.app import Request
from msgspec import Struct

from chalicelib import logs
from chalicelib.api.content import check_content_encoding, check_content_type
from chalicelib.api.errors import answer, encoded, internal
from chalicelib.api.identity import identity
from chalicelib.api.operation import Operation
from chalicelib.config import config
from chalicelib.errors import (
    BodyTooLarge,
    DarkroomError,
    InvalidRequest,
    Overloaded,
    Unanswered,
)
from chalicelib.schemas.json_object import WHITE_SPACE
from chalicelib.schemas.parsing import parse

log = logging.getLogger("darkroom.api")

View = Callable[..., Any]
Headers = dict[str, str | list[str]]
T = TypeVar("T", bound=Struct)


class Routes(Blueprint):
    """Registers views by method, and makes responses of errors, to which Chalice adds CORS headers.

    `before` is called before every view.
    """

    def __init__(self, import_name: str, *, before: Callable[[], None] | None = None) -> None:
        super().__init__(import_name)
        self._before = before

    def get(self, path: str, operation: Operation) -> Callable[[View], View]:
        return self._serve("GET", path, operation)

    def head(self, path: str, operation: Operation) -> Callable[[View], View]:
        return self._serve("HEAD", path, operation)

    def post(self, path: str, operation: Operation) -> Callable[[View], View]:
        return self._serve("POST", path, operation)

    def put(self, path: str, operation: Operation) -> Callable[[View], View]:
        return self._serve("PUT", path, operation)

    def patch(self, path: str, operation: Operation) -> Callable[[View], View]:
        return self._serve("PATCH", path, operation)

    def delete(self, path: str, operation: Operation) -> Callable[[View], View]:
        return self._serve("DELETE", path, operation)

    def _serve(self, method: str, path: str, operation: Operation) -> Callable[[View], View]:
        def register(view: View) -> View:
            @wraps(view)
            def answered(**path_parameters: str) -> Response:
                return encoded(self._answer(view, path_parameters, operation))

            # The OpenAPI document is made of what is registered.
            answered.operation = operation  # type: ignore[attr-defined]
            # Chalice would check the content type of a GET, too; `json_body` checks it instead.
            self.route(path, methods=[method], content_types=[])(answered)
            return view

        return register

    def _answer(
        self, view: View, path_parameters: dict[str, str], operation: Operation
    ) -> Response:
        try:
            caller = identity(self.current_request)
            logs.about(key_id=caller.key_id)
            caller.demand(operation.scope)
            body, limit = operation.body, operation.body_bytes
            given = [json_body(self.current_request, body, limit)] if body else []
            if self._before:
                self._before()
            result = view(*given, **path_parameters)
            return (
                result if isinstance(result, Response) else Response(result, None, operation.status)
            )
        except (Unanswered, Overloaded) as error:
            log.warning("a request is answered with 503: %s", error, exc_info=True)
            return answer(error)
        except DarkroomError as error:
            return answer(error)
        except Exception:
            log.exception("unexpected error in a view")
            return answer(internal())


def json_body(request: Request, schema: type[T], limit_bytes: int) -> T:
    """Return the request body as its declared type; raise an error that says what is wrong.

    A body that is left out, or of white space only, is one without fields.
    """
    content = raw_body(request, limit_bytes)
    if content.strip(WHITE_SPACE):  # else there is nothing that a header could describe
        check_content_type(request.headers.get("content-type") or "application/json")
        check_content_encoding(request.headers.get("content-encoding", ""), content)
    return parse(content, schema)


def query(request: Request) -> dict[str, str]:
    """Return the query parameters; of a repeated one the last value."""
    return dict(request.query_params or {})


def raw_body(request: Request, limit_bytes: int) -> bytes:
    """Return the bytes of the body; raise BodyTooLarge over the limit."""
    try:
        body: bytes | str = request.raw_body
        body = body.encode() if isinstance(body, str) else body
    except ValueError as error:
        raise InvalidRequest("the body is not valid UTF-8 or base64") from error
    if len(body) > limit_bytes:
        raise BodyTooLarge(
            f"the body has {len(body)} bytes, the limit is {limit_bytes}",
            suggestion=f"Send at most {limit_bytes // 1024} KB",
        )
    return body


def url_of(request: Request, path: str) -> str:
    """Return the absolute URL of a path: below `API_URL`, else below the caller's base URL."""
    if config.api_url:
        return f"{config.api_url.rstrip('/')}{path}"
    called, own = _called_path(request), own_path(request)
    scheme = request.headers.get("x-forwarded-proto", "https")
    return f"{scheme}://{request.headers.get('host', 'localhost')}{called.removesuffix(own)}{path}"


def own_path(request: Request) -> str:
    """Return the path of this request without the stage or base path of the deployment."""
    depth = str(request.context["resourcePath"]).rstrip("/").count("/")
    return "/" + "/".join(_called_path(request).rstrip("/").split("/")[-depth:])


def _called_path(request: Request) -> str:
    # `requestContext.path` begins with the stage, or with the base path of a custom domain.
    return str(request.context.get("path") or request.to_original_event()["path"])

"""Operation objects of the document, from what a route is registered with."""

import re
from collections.abc import Iterable

from msgspec import Struct

from chalicelib.api.errors import STATUS_CODES
from chalicelib.api.operation import Answer, Header, Operation, Parameter
from chalicelib.errors import DarkroomError, InvalidRequest
from chalicelib.schemas.parsing import parse
from openapi.prose import ERRORS, PATH_PARAMETERS
from openapi.schemas import Schema, schema_of, sentence

_ERROR = {"$ref": "#/components/schemas/Error"}
_ALWAYS = (401, 403, 429, 500, 503)
_OF_A_BODY = (400, 413, 415)

_RETRY = Header("Retry-After", "When to send the request again, in seconds.", int)
_HEADERS = {
    401: Header("WWW-Authenticate", "`Bearer`."),
    429: _RETRY,
    503: _RETRY._replace(is_always_there=False),  # a job that expired stays so
}


def operation_object(path: str, operation: Operation, docstring: str | None) -> Schema:
    """Return the operation object of a route."""
    summary, _, rest = (docstring or "").partition("\n")
    made: Schema = {
        "operationId": operation.id,
        "summary": operation.summary or summary.strip().removesuffix("."),
        "tags": [operation.tag],
        "security": [{"key": [operation.scope]}],
    }
    # Pages that show the document do not show the scopes of `security`.
    needs = f"Needs the scope `{operation.scope}`."
    made["description"] = f"{sentence(rest)} {needs}" if rest.strip() else needs
    if parameters := [*_path(path), *map(_parameter, operation.parameters)]:
        made["parameters"] = parameters
    if operation.body:
        made["requestBody"] = _body(operation.body, operation)
    made["responses"] = {
        **{str(each.status): _answer(each) for each in operation.answers},
        **_errors(path, operation),
    }
    return made


def shared_errors() -> dict[str, Schema]:
    """Return the responses of errors that many operations have, by their names."""
    return {f"Error{status}": _error(status, []) for status in ERRORS}


def _path(path: str) -> Iterable[Schema]:
    for name in re.findall(r"{(\w+)}", path):
        kind, description = PATH_PARAMETERS[name]
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": description,
            "schema": schema_of(kind),
        }


def _parameter(parameter: Parameter) -> Schema:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "schema": schema_of(parameter.type),
    }


def _body(body: type[Struct], operation: Operation) -> Schema:
    examples = {name: {"value": value} for name, value in operation.examples.items()}
    content: Schema = {"schema": schema_of(body)}
    if examples:
        content["examples"] = examples
    return {"required": not _may_be_left_out(body), "content": {"application/json": content}}


def _may_be_left_out(body: type[Struct]) -> bool:
    try:
        parse(b"", body)
    except InvalidRequest:
        return False
    return True


def _answer(answer: Answer) -> Schema:
    made: Schema = {"description": answer.description}
    if answer.headers:
        made["headers"] = {each.name: _header(each) for each in answer.headers}
    if schemas := [schema_of(each) for each in answer.bodies]:
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        made["content"] = {"application/json": {"schema": schema}}
    if answer.links:
        made["links"] = {
            each.operation: {"operationId": each.operation, "parameters": dict(each.parameters)}
            for each in answer.links
        }
    return made


def _header(header: Header) -> Schema:
    return {
        "description": header.description,
        "required": header.is_always_there,
        "schema": schema_of(header.type),
    }


def _errors(path: str, operation: Operation) -> dict[str, Schema]:
    by_status: dict[int, list[type[DarkroomError]]] = {status: [] for status in _ALWAYS}
    if "{" in path:
        by_status[404] = []
    if operation.body or operation.parameters:
        by_status |= {status: [] for status in (_OF_A_BODY if operation.body else (400,))}
    for error in operation.errors:
        status = STATUS_CODES[error]
        by_status[status] = [*by_status.get(status, []), error]
    return {
        str(status): _error(status, errors)
        if errors
        else {"$ref": f"#/components/responses/Error{status}"}
        for status, errors in sorted(by_status.items())
    }


def _error(status: int, errors: list[type[DarkroomError]]) -> Schema:
    text, usual = ERRORS.get(status, ("", None))
    errors = [each for each in errors if each is not usual]
    texts = [*filter(None, [text]), *map(_words, errors)]
    made: Schema = {"description": " ".join(texts)}
    if header := _HEADERS.get(status):
        made["headers"] = {header.name: _header(header)}
    known = [usual, *errors] if usual else errors
    examples = {each.__name__: {"value": _example(each)} for each in known}
    made["content"] = {"application/json": {"schema": _ERROR, "examples": examples}}
    return made


def _words(error: type[DarkroomError]) -> str:
    return sentence((error.__doc__ or "").split("\n\n")[0])


def _example(error: type[DarkroomError]) -> Schema:
    code = {"code": error.code} if error.code else {}
    details = {"error": _words(error), "suggestion": error.suggestion, **code}
    return {"status": "error", "message": error.title, "details": details}

"""Decodes JSON into declared types; raises InvalidRequest with the field that is wrong."""

import re
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from chalicelib.errors import InvalidRequest

T = TypeVar("T")

_FIELD = re.compile(r" - at `\$\.([^.`\[]+)[^`]*`$")
_QUOTED = re.compile(r"(missing required|unknown) field `(.*)`$", re.DOTALL)


def parse(body: bytes, schema: type[T]) -> T:
    """Decode and validate `body`; raise InvalidRequest with the name of the first bad field."""
    try:
        return msgspec.json.decode(body, type=schema)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), schema) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(
            "the body is not valid JSON", suggestion="Send one JSON object in UTF-8"
        ) from error


def convert(value: object, schema: Any, field: str) -> Any:
    """Validate one value that is not from JSON, such as a query parameter or a setting."""
    try:
        return msgspec.convert(value, schema, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{field} must be {describe(schema)}", field=field) from error


def describe(schema: Any) -> str:
    """Return in words what a field may hold, as its type declares it."""
    for meta in _metas(schema):
        if meta.description:
            return meta.description
    return "a text" if schema is str else "a value of the declared type"


def _metas(schema: Any) -> list[msgspec.Meta]:
    own = [meta for meta in getattr(schema, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]
    return own + [meta for part in get_args(schema) for meta in _metas(part)]


def _invalid(message: str, schema: Any) -> InvalidRequest:
    hints = get_type_hints(schema, include_extras=True)
    if (found := _FIELD.search(message)) and found[1] in hints:
        field = found[1]
        return InvalidRequest(f"{field} must be {describe(hints[field])}", field=field)
    if found := _QUOTED.search(message):
        return _wrong_fields(found[1], found[2], list(hints))
    return InvalidRequest("the body must be a JSON object", suggestion="Send one JSON object")


def _wrong_fields(problem: str, field: str, known: list[str]) -> InvalidRequest:
    if problem == "missing required":
        return InvalidRequest(f"{field} is required", field=field)
    return InvalidRequest(
        f"{field[:100]} is not a field of this request",
        field=field[:100],
        suggestion=f"Remove it; the fields are: {', '.join(known)}",
    )

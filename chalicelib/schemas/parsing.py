"""Decodes JSON into declared types; raises InvalidRequest with the field that is wrong."""

import re
from codecs import BOM_UTF8
from functools import cache
from typing import Any, NamedTuple, TypeVar, get_args

import msgspec
from msgspec import Struct, structs

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.json_object import WHITE_SPACE, Fields, fields_of
from chalicelib.schemas.names import nearest
from chalicelib.schemas.numbers import is_number, written_out

T = TypeVar("T", bound=Struct)

_WRONG_TYPE = re.compile(r"^Expected `(\w+)[^`]*`, got `(\w+)`(?: - at `\$(.*)`)?$")
_KINDS = {
    "null": "null",
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "str": "text",
    "array": "a list",
    "object": "an object",
}


class _Field(NamedTuple):
    type: Any
    required: bool
    decoder: msgspec.json.Decoder[Any]
    struct: Any  # of a field that is an object, else None


def parse(body: bytes, schema: type[T]) -> T:
    """Decode and validate `body`; raise InvalidRequest with the name of the first bad field.

    A field that is null is left out, and a body of white space has no fields. A whole number is
    one however it is written. A byte order mark is ignored (RFC 8259, section 8.1).
    """
    body = body.removeprefix(BOM_UTF8)
    if body.strip(WHITE_SPACE):
        return _made(fields_of(body), schema)
    if needed := [name for name, field in _fields(schema).items() if field.required]:
        raise InvalidRequest(
            f"the body is empty; it needs {', '.join(needed)}",
            field=needed[0],
            suggestion="Send a JSON object with these fields",
        )
    return schema()


def convert(value: str, schema: Any, field: str) -> Any:
    """Validate a text that is not JSON, such as a setting; a number is written as in JSON."""
    try:
        if get_args(schema)[0] not in (int, float):
            return msgspec.convert(value, schema)
        if is_number(number := value.encode()):
            return _decoder(schema).decode(written_out(number))
    except msgspec.ValidationError as error:
        raise _invalid(field, schema) from error
    raise _invalid(field, schema)


def describe(schema: Any) -> str:
    """Return in words what a field may hold, as its type declares it."""
    for meta in _metas(schema):
        if meta.description:
            return meta.description
    return "a text" if schema is str else "a value of the declared type"


def _metas(schema: Any) -> list[msgspec.Meta]:
    own = [meta for meta in getattr(schema, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]
    return own + [meta for part in get_args(schema) for meta in _metas(part)]


@cache
def _decoder(schema: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(schema)


@cache
def _fields(schema: type[Struct]) -> dict[str, _Field]:
    return {
        each.name: _Field(each.type, each.required, _decoder(each.type), _struct(each.type))
        for each in structs.fields(schema)
    }


def _struct(declared: Any) -> Any:
    """Return the Struct that a type is or contains, if any."""
    if isinstance(declared, type) and issubclass(declared, Struct):
        return declared
    return next(filter(None, map(_struct, get_args(declared))), None)


def _made(given: Fields, schema: type[T]) -> T:
    known, values = _fields(schema), {}
    for name, raw in given.items():
        if name in known:
            value = bytes(raw)
            if known[name].required or value != b"null":
                values[name] = _value(name, known[name], value)
        elif schema.__struct_config__.forbid_unknown_fields:
            raise _unknown(name, list(known))
    for name, field in known.items():
        if field.required and name not in values:
            raise InvalidRequest(f"{name} is required", field=name)
    return schema(**values)


def _value(name: str, field: _Field, value: bytes) -> Any:
    if field.struct and value.startswith(b"{"):
        return _nested(name, field.struct, value)
    try:
        return field.decoder.decode(written_out(value))
    except msgspec.ValidationError as error:
        raise _invalid(name, field.type, _sent(name, str(error))) from error


def _nested(name: str, schema: type[Struct], value: bytes) -> Any:
    try:
        return _made(fields_of(value), schema)
    except InvalidRequest as error:
        raise InvalidRequest(
            f"in {name}: {error}",
            field=f"{name}.{error.field}" if error.field else name,
            suggestion=error.suggestion,
        ) from error


def _invalid(field: str, schema: Any, but: str = "") -> InvalidRequest:
    return InvalidRequest(f"{field} must be {describe(schema)}{but}", field=field)


def _sent(name: str, problem: str) -> str:
    """Return words for a value of the wrong type, as msgspec reports it."""
    found = _WRONG_TYPE.search(problem)
    if not found or {found[1], found[2]} == {"int", "float"}:
        return ""
    return f", but {name + found[3] if found[3] else 'it'} is {_KINDS[found[2]]}"


def _unknown(name: str, known: list[str]) -> InvalidRequest:
    meant = nearest(name, known)
    hint = f"; did you mean {meant}?" if meant else ""
    return InvalidRequest(
        f"{name[:100]} is not a field of this request{hint}",
        field=name[:100],
        suggestion=f"Remove it; the fields are: {', '.join(known)}",
    )

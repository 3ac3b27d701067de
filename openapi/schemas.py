"""JSON Schemas of the types that validate requests and make answers."""

from collections.abc import Iterable
from typing import Any

import msgspec

from chalicelib.schemas.limits import WRITTEN, WRITTEN_SHOWN

Schema = dict[str, Any]

_NULL: Schema = {"type": "null"}
_ABOUT = ("description", "default")
_AT = "#/components/schemas/{name}"


def schema_of(kind: Any) -> Schema:
    """Return the schema of a type, which refers to the components."""
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_AT)
    made: Schema = _standard(schema)
    return made


def components(requests: Iterable[Any], answers: Iterable[Any]) -> dict[str, Schema]:
    """Return the schemas by their names; raise ValueError if two types have the same name."""
    taken, given = _components(requests), _components(answers)
    for name in taken:
        taken[name] = _with_null(taken[name])
    if twice := [
        name for name in taken.keys() & given.keys() if taken[name] != _with_null(given[name])
    ]:
        raise ValueError(f"several types have the name {', '.join(sorted(twice))}")
    asked = _structs(requests)
    for kind in asked:
        _merge(taken[kind.__name__], getattr(kind, "json_schema", {}))
    for kind in _structs(answers) - asked:
        given[kind.__name__]["required"] = _always_there(kind)
    return dict(sorted({**given, **taken}.items()))


def _components(kinds: Iterable[Any]) -> dict[str, Schema]:
    _, found = msgspec.json.schema_components(kinds, ref_template=_AT)
    return {name: _standard(schema) for name, schema in found.items()}


def _structs(kinds: Iterable[Any]) -> set[Any]:
    """Return the structs that types are or have in them."""
    found: set[Any] = set()
    waiting = [*kinds]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in found:
            found.add(kind)
            waiting += [each.type for each in msgspec.structs.fields(kind)]
        waiting += getattr(kind, "__args__", ())
    return found


def _always_there(kind: Any) -> list[str]:
    """Return the fields that each answer has: a default is sent, too."""
    fields = msgspec.structs.fields(kind)
    return [each.encode_name for each in fields if each.default is not msgspec.UNSET]


def _with_null(schema: Schema) -> Schema:
    """Allow null for each field that may be left out, which means the same in a request."""
    needed = schema.get("required", [])
    for name, each in schema.get("properties", {}).items():
        if name not in needed:
            schema["properties"][name] = _with_title(_or_null(each), name)
    return schema


def _with_title(schema: Schema, field: str) -> Schema:
    """Give the enum of a field that may be null the title by which generated clients name it."""
    for each in schema.get("anyOf", ()):
        if "enum" in each:
            each["title"] = field.title().replace("_", "")
    return schema


def _or_null(schema: Schema) -> Schema:
    if schema == _NULL or _NULL in schema.get("anyOf", ()) or "null" in schema.get("type", ()):
        return schema
    # An enum of its own, without null, has one name in generated clients.
    if "type" not in schema or "enum" in schema:
        # A description outside of the alternatives is the one that is shown.
        about = {name: schema.pop(name) for name in _ABOUT if name in schema}
        return {**about, "anyOf": [schema, _NULL]}
    return {**schema, "type": [schema["type"], "null"]}


def _merge(schema: Schema, more: Schema) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(schema.get(name), dict):
            _merge(schema[name], value)
        else:
            schema[name] = value


def _standard(schema: Any) -> Any:
    """Return a schema as readers of the document understand it."""
    if isinstance(schema, list):
        return [_standard(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _standard(value) for name, value in schema.items()}
    if isinstance(pattern := made.get("pattern"), str):
        made["pattern"] = _ecma(pattern)
    if isinstance(text := made.get("description"), str):
        made["description"] = sentence(text)
    if made.get("default", made) is None:
        del made["default"]  # what is left out is chosen by the server
    if "enum" in made and all(isinstance(each, str) for each in made["enum"]):
        made["type"] = "string"
    return _simple(made)


def _simple(schema: Schema) -> Schema:
    """Return `anyOf` a type and null as one schema."""
    several = schema.get("anyOf")
    if not isinstance(several, list) or len(several) != 2 or several[1] != _NULL:
        return schema
    about = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**_or_null(dict(several[0])), **about}


def _ecma(pattern: str) -> str:
    r"""Return a pattern in the dialect of ECMA-262, which has no \Z."""
    return WRITTEN_SHOWN if pattern == WRITTEN else pattern.replace(r"\Z", "$")


def sentence(text: str) -> str:
    """Return a text with a capital letter and a full stop, as a docstring on one line."""
    words = " ".join(text.split())
    return f"{words[:1].upper()}{words[1:]}".removesuffix(".") + (
        "" if words[-1:] in "`?!" else "."
    )

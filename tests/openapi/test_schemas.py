"""Each schema of the document is one for another library, and its examples are what it allows."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from openapi.__main__ import PATH
from openapi.document import document

DOCUMENT = document()
DIALECT = "https://json-schema.org/draft/2020-12/schema"  # of OpenAPI 3.1
# Keywords whose value is a schema, a list of schemas, or schemas by name.
ONE, SEVERAL, NAMED = ("items", "not", "if", "then"), ("anyOf", "oneOf", "allOf"), ("properties",)

Schema = dict[str, Any]


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield each object in a part of the document."""
    if isinstance(value, dict):
        yield value
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from objects(each)


def schemas() -> Iterator[Schema]:
    """Yield each schema that is part of no other."""
    yield from DOCUMENT["components"]["schemas"].values()
    for each in objects([DOCUMENT["paths"], DOCUMENT["components"]["responses"]]):
        if isinstance(each.get("schema"), dict):
            yield each["schema"]


def parts(schema: Schema) -> Iterator[Schema]:
    """Yield a schema and those that are in it."""
    yield schema
    inner = [schema[name] for name in ONE if name in schema]
    inner += [each for name in SEVERAL for each in schema.get(name, ())]
    inner += [each for name in NAMED for each in schema.get(name, {}).values()]
    for each in inner:
        yield from parts(each)


def validator(schema: Schema) -> jsonschema_rs.Validator:
    """Return a validator of JSON Schema 2020-12, which also checks formats."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def test_each_schema_is_valid_and_its_references_and_patterns_can_be_compiled() -> None:
    found = [*schemas()]
    assert len(found) > 200
    for schema in found:
        jsonschema_rs.meta.validate({"$schema": DIALECT, **schema})
        validator(schema)


def test_every_reference_leads_to_something() -> None:
    references = {each["$ref"] for each in objects(DOCUMENT) if "$ref" in each}
    assert len(references) > 20
    for reference in references:
        found: Any = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]


def test_examples_of_fields_are_what_their_schemas_allow() -> None:
    examples = [
        (part, example)
        for schema in schemas()
        for part in parts(schema)
        for example in part.get("examples", ())
    ]
    assert len(examples) > 10
    for part, example in examples:
        validator(part).validate(example)


def test_examples_of_bodies_are_what_their_schemas_allow() -> None:
    bodies = [
        (content["schema"], example["value"])
        for each in objects(DOCUMENT["paths"])
        for content in each.get("requestBody", {}).get("content", {}).values()
        for example in content["examples"].values()
    ]
    assert len(bodies) > 20
    for schema, example in bodies:
        validator(schema).validate(example)


def test_the_committed_text_has_no_name_twice_in_an_object() -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), pairs
        return dict(pairs)

    assert json.loads(PATH.read_text(), object_pairs_hook=once) == DOCUMENT

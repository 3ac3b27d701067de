"""The document has what is registered, says what code checks, and is committed as it is built."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

import app
from chalicelib.api.errors import STATUS_CODES
from chalicelib.errors import DarkroomError, InvalidRequest
from chalicelib.schemas.answers.jobs import CODES
from chalicelib.schemas.limits import SEED_MAX
from chalicelib.schemas.parsing import parse
from openapi.__main__ import PATH, written
from openapi.document import document, registered
from openapi.prose import TAGS
from pages.serving import METHODS
from tests.environment import RESOURCES

ROOT = PATH.parent.parent
DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]


def methods_of(path: str) -> dict[str, Any]:
    """Return the operations of a path, by their methods."""
    item = DOCUMENT["paths"][path]
    return {name: each for name, each in item.items() if name != "parameters"}


OPERATIONS = {
    each["operationId"]: each for path in DOCUMENT["paths"] for each in methods_of(path).values()
}
REQUESTS = {each.body for _, _, each, _ in registered() if each.body}


def test_the_committed_document_is_the_one_that_is_built() -> None:
    assert PATH.read_text() == written(), "write it with `make openapi`"


def test_it_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_route_and_method_is_in_it_and_nothing_else() -> None:
    served = {
        (path, method.lower())
        for path, methods in app.app.routes.items()
        for method, route in methods.items()
        if not route.view_function.__qualname__.startswith("Application._refuse")
    }
    page_paths = RESOURCES["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    pages = {(path, method.lower()) for path in page_paths for method in METHODS}
    assert len(served) > 40
    assert len(pages) == 6
    documented = {(path, each) for path in DOCUMENT["paths"] for each in methods_of(path)}
    assert documented == served | pages


def test_every_operation_has_an_id_of_its_own() -> None:
    assert len(OPERATIONS) == sum(len(methods_of(path)) for path in DOCUMENT["paths"])


def test_operations_of_two_paths_have_two_summaries() -> None:
    summaries = [
        text
        for path in DOCUMENT["paths"]
        for text in {each["summary"] for each in methods_of(path).values()}
    ]
    assert all(text and not text.endswith(".") for text in summaries)
    assert len(set(summaries)) == len(summaries)


def test_every_tag_is_described_and_used() -> None:
    assert {tag for each in OPERATIONS.values() for tag in each["tags"]} == set(TAGS)


def test_every_link_leads_to_an_operation_that_has_its_parameters() -> None:
    links = [
        link
        for each in OPERATIONS.values()
        for answer in each["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert links
    for link in links:
        known = {each["name"] for each in OPERATIONS[link["operationId"]]["parameters"]}
        assert link["parameters"].keys() <= known


def test_the_scope_of_an_operation_is_the_one_that_its_route_demands() -> None:
    assert OPERATIONS["generateImage"]["security"] == [{"key": ["generate"]}]
    assert OPERATIONS["createStyle"]["security"] == [{"key": ["admin"]}]
    assert OPERATIONS["getDocument"]["security"] == []


def test_bodies_and_answers_are_components_with_titles() -> None:
    assert all(schema["title"] == name for name, schema in SCHEMAS.items())
    for each in OPERATIONS.values():
        for content in each.get("requestBody", {}).get("content", {}).values():
            assert set(content["schema"]) == {"$ref"}, each["operationId"]


def all_of(schema: Any, name: str) -> Iterator[Any]:
    if isinstance(schema, dict):
        yield from ([schema[name]] if isinstance(schema.get(name), str) else [])
        for key, value in schema.items():
            yield from all_of(value, name) if key != "examples" else ()
    if isinstance(schema, list):
        for value in schema:
            yield from all_of(value, name)


def test_patterns_have_nothing_that_only_python_knows_and_can_be_read() -> None:
    patterns = set(all_of(DOCUMENT, "pattern"))
    assert len(patterns) > 5
    for pattern in patterns:
        assert not re.search(r"\\[AZ]|\(\?P|\(\?<[a-z]", pattern), pattern
        assert pattern.isprintable()


def test_descriptions_are_sentences() -> None:
    texts = set(all_of(DOCUMENT, "description"))
    assert len(texts) > 100
    assert [text for text in texts if not re.search(r"^[A-Z0-9`].*[.`]$", text, re.DOTALL)] == []


def test_a_field_that_may_be_left_out_may_be_null_in_a_request() -> None:
    needed = SCHEMAS["GenerateRequest"]["required"]
    fields = SCHEMAS["GenerateRequest"]["properties"]
    assert needed == ["prompt"]
    assert fields["prompt"]["type"] == "string"
    for name, each in fields.items():
        kinds = [kind["type"] for kind in each.get("anyOf", ())] or each["type"]
        assert ("null" in kinds) == (name not in needed), name


def test_an_answer_has_each_field_that_is_never_left_out() -> None:
    assert set(SCHEMAS["Error"]["required"]) == {"status", "message", "details"}
    assert set(SCHEMAS["ErrorDetails"]["required"]) == {"error", "suggestion"}
    assert set(SCHEMAS["Images"]["required"]) == {"image_urls"}


def test_the_largest_seed_is_in_it() -> None:
    assert SCHEMAS["GenerateRequest"]["properties"]["seed"]["maximum"] == SEED_MAX
    assert SCHEMAS["Job"]["properties"]["seed"]["maximum"] == SEED_MAX


@pytest.mark.parametrize(
    ("operation_id", "name", "value"),
    [
        (each["operationId"], name, example["value"])
        for each in OPERATIONS.values()
        for content in each.get("requestBody", {}).get("content", {}).values()
        for name, example in content.get("examples", {}).items()
    ],
)
def test_every_example_is_accepted(operation_id: str, name: str, value: object) -> None:
    [body] = [each.body for _, _, each, _ in registered() if each.id == operation_id]
    assert body
    assert parse(msgspec.json.encode(value), body)


def test_every_operation_with_a_body_has_an_example() -> None:
    for each in OPERATIONS.values():
        for content in each.get("requestBody", {}).get("content", {}).values():
            assert content["examples"], each["operationId"]


def test_the_codes_of_jobs_are_those_of_the_docs() -> None:
    table = (ROOT / "docs/api/errors.md").read_text().partition("## Error codes of jobs")[2]
    stated = re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE)
    assert [code for codes in stated for code in re.findall(r"`(\w+)`", codes)] == list(CODES)
    assert all(
        f"`{code}`" in SCHEMAS["JobError"]["properties"]["code"]["description"] for code in CODES
    )


def test_a_body_is_required_unless_it_may_be_left_out() -> None:
    may_be_left_out = {
        each["operationId"]
        for each in OPERATIONS.values()
        if not each.get("requestBody", {}).get("required", True)
    }
    assert may_be_left_out == {"stopComfyUI", "pauseSchedule", "runSchedule", "changeKey"}


def test_every_error_of_an_operation_has_a_response() -> None:
    for _, _, operation, _ in registered():
        responses = OPERATIONS[operation.id]["responses"]
        errors: set[type[DarkroomError]] = {*operation.errors}
        errors |= {InvalidRequest} if operation.body or operation.parameters else set()
        assert {str(STATUS_CODES[error]) for error in errors} <= responses.keys()

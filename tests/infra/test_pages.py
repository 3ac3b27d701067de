"""The function of the pages, which everybody may call, has no rights and knows no secrets."""

from typing import Any

import pytest

from infra.template import declared, merged
from tests.infra.recording import allowed

TEMPLATE = declared()
PATHS = TEMPLATE["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]


def test_the_function_may_only_write_its_log() -> None:
    assert allowed(TEMPLATE, "PagesRole") == {
        ("logs:CreateLogStream", "PagesLogs"),
        ("logs:PutLogEvents", "PagesLogs"),
    }


def test_the_function_is_told_only_what_callers_may_know() -> None:
    pages = TEMPLATE["Resources"]["Pages"]
    assert pages["IgnoreGlobals"] == ["Environment"]
    variables = pages["Properties"]["Environment"]["Variables"]
    assert variables.keys() == {"API_URL", "ALLOWED_ORIGIN", "CALLED_URLS"}
    assert "VpcConfig" not in pages["Properties"]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_of_pages_has_every_method(path: str) -> None:
    """API Gateway passes a method that a path lacks on to the path for all others, with its key."""
    assert PATHS[path].keys() == {"get", "head", "post", "put", "patch", "delete", "options"}


def test_files_declare_parts_of_one_resource() -> None:
    texts = {
        "a.yaml": "Resources: {Api: {Properties: {Limit: 1, Paths: {/a: A}}}}",
        "b.yaml": "Resources: {Api: {Properties: {Paths: {/b: B}}}, Other: {Type: C}}",
    }
    assert merged(texts) == {
        "Resources": {
            "Api": {"Properties": {"Limit": 1, "Paths": {"/a": "A", "/b": "B"}}},
            "Other": {"Type": "C"},
        }
    }


@pytest.mark.parametrize(
    "second", ["{Api: {Type: A}}", "{Api: {Type: {B: C}}}", "{Api: []}", "{Api: null}"]
)
def test_a_value_that_two_files_declare_is_refused_by_its_place(second: str) -> None:
    texts = {"a.yaml": "Resources: {Api: {Type: A}}", "b.yaml": f"Resources: {second}"}
    with pytest.raises(ValueError, match=r"^b\.yaml: Resources: Api.* in another file"):
        merged(texts)


def test_a_part_from_another_file_is_not_added_to_what_shares_an_alias() -> None:
    first = "Resources: {A: &shared {Properties: {Kept: 1}}, B: *shared}"
    made: Any = merged({"a.yaml": first, "b.yaml": "Resources: {A: {Properties: {Own: 2}}}"})
    assert made["Resources"]["A"] == {"Properties": {"Kept": 1, "Own": 2}}
    assert made["Resources"]["B"] == {"Properties": {"Kept": 1}}

"""The template, the configuration and the documentation have the same defaults."""

import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields

from chalicelib.config import Config
from tests.environment import RESOURCES

VARIABLES: dict[str, Any] = RESOURCES["Globals"]["Function"]["Environment"]["Variables"]
OF_PARAMETERS = {
    name: value["Ref"]
    for name, value in VARIABLES.items()
    if value.get("Ref") in RESOURCES["Parameters"]
}
DEFAULTS = {field.name.upper(): field.default for field in fields(Config)}
OWN = {"API_URL": "API Gateway's own"}
PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()


def test_the_template_sets_variables_from_parameters() -> None:
    assert len(OF_PARAMETERS) > 15
    assert OF_PARAMETERS["DAILY_BUDGET"] == "DailyBudget"


@pytest.mark.parametrize("variable", OF_PARAMETERS)
def test_the_configuration_has_the_default_of_the_template(variable: str) -> None:
    default = RESOURCES["Parameters"][OF_PARAMETERS[variable]]["Default"]
    assert type(DEFAULTS[variable])(default) == DEFAULTS[variable]


@pytest.mark.parametrize("variable", OF_PARAMETERS)
def test_the_documentation_has_the_default_of_the_template(variable: str) -> None:
    parameter = OF_PARAMETERS[variable]
    [row] = re.findall(rf"^\| `{parameter}` \| `{variable}` \| (.*?) \|", PAGE, re.MULTILINE)
    default = str(RESOURCES["Parameters"][parameter]["Default"])
    assert row.strip("`") == OWN.get(variable, default or "empty")

"""The gate's slice of the explorer, and its planted defects."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.explorer.exploring import explore, replay
from tests.explorer.planted import ELSEWHERE, PLANTED, UNNOTICED
from tests.explorer.worlds import WORLDS

_MODELS = Path("chalicelib/models")


@pytest.fixture(scope="session")
def told() -> Any:
    """What the gate's slice has found, in a process that has imported little."""
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "tests.explorer.gate"]
    return json.loads(subprocess.check_output(command, env=environment))


@pytest.mark.parametrize("world", WORLDS)
def test_no_order_of_the_slice_ends_in_a_violation(told: Any, world: str) -> None:
    found = told["worlds"][world]
    assert found["orders"] > 1
    assert not found["violation"], f"make explore WORLD={world} ORDER={found['violation']}"


@pytest.mark.parametrize("name", [each.name for each in PLANTED])
def test_a_planted_defect_is_found(told: Any, name: str) -> None:
    assert told["planted"][name], "the explorer does not notice it"


def test_each_clause_that_the_worlds_meet_is_removed_by_a_planted_defect(told: Any) -> None:
    worlds = told["worlds"].values()
    met = {
        each for world in worlds for each in world["clauses"] if each.split()[0] not in ELSEWHERE
    }
    planted = {each.name for each in PLANTED if each.table}
    assert met - planted - UNNOTICED.keys() == set()
    assert planted - met == set(), "no world of the slice meets these"


def test_each_function_that_writes_on_a_condition_is_met() -> None:
    known = {each.function for each in PLANTED} | {name.split()[0] for name in UNNOTICED}
    assert set(_conditional()) - known == ELSEWHERE.keys()


def test_an_order_that_ends_in_a_violation_can_be_replayed() -> None:
    planted = next(each for each in PLANTED if each.world == "start")
    calls = replay("start", {}, planted.plant)
    assert calls[-1].startswith("VIOLATION: jobs have not ended")


def test_a_world_is_explored_with_more_and_more_choices() -> None:
    result = explore("create-twice", 4)
    assert [each.bounds.choices for each in result.levels][:2] == [0, 1]
    assert result.violation is None


def _conditional() -> Iterator[str]:
    """Yield the public functions of the models that call a write on a condition."""
    for path in sorted(_MODELS.rglob("*.py")):
        for scope, function in _functions(ast.parse(path.read_text())):
            if not function.name.startswith("_") and any(map(_is_conditional, ast.walk(function))):
                yield ".".join([path.stem, *scope, function.name])


def _functions(tree: ast.Module) -> Iterator[tuple[list[str], ast.FunctionDef]]:
    for each in tree.body:
        if isinstance(each, ast.FunctionDef):
            yield [], each
        elif isinstance(each, ast.ClassDef):
            yield from (
                ([each.name], part) for part in each.body if isinstance(part, ast.FunctionDef)
            )


def _is_conditional(node: ast.AST) -> bool:
    """Return whether a node is a call of a write with a condition."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    return name == "update_if" or any(each.arg == "condition" for each in node.keywords)

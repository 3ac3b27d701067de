"""The document has no fault that Spectral knows, and patterns that JavaScript compiles."""

from openapi.__main__ import PATH
from tests.openapi.node.conftest import HERE, Run

PATTERNS = """
const patterns = [];
JSON.parse(require("fs").readFileSync(process.argv[1]), (name, value) => {
  if (name === "pattern" && typeof value === "string") patterns.push(new RegExp(value, "u"));
  return value;
});
console.log(patterns.length);
"""


def test_spectral_finds_nothing(node: Run) -> None:
    rules = ("--ruleset", HERE / "spectral.yaml", "--fail-severity", "hint")
    found = node("npx", "spectral", "lint", PATH, *rules)
    assert found.returncode == 0, found.stdout + found.stderr


def test_patterns_are_those_of_ecma_262(node: Run) -> None:
    compiled = node("node", "-e", PATTERNS, PATH)
    assert compiled.returncode == 0, compiled.stderr
    assert int(compiled.stdout) > 20

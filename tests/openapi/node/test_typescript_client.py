"""The types that openapi-typescript generates are those that users expect, and work."""

from openapi.__main__ import PATH
from tests.e2e.conftest import Stack
from tests.openapi.node.conftest import Run


def test_it_generates_polls_lists_cancels_and_reads_errors(node: Run, stack: Stack) -> None:
    generated = node("npx", "openapi-typescript", PATH, "--output", "darkroom.d.ts")
    assert generated.returncode == 0, generated.stdout + generated.stderr
    compiled = node("npx", "tsc", "--project", ".")
    assert compiled.returncode == 0, compiled.stdout
    api = stack.new_api("typescript")
    used = node("node", "built/uses.js", api.url, api.key)
    assert used.returncode == 0, used.stdout + used.stderr
    assert len(used.stdout.splitlines()) == 5

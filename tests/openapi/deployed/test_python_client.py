"""A client that openapi-python-client generates from the document works on a deployment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from openapi.__main__ import PATH
from tests.e2e.conftest import Stack
from tests.openapi.deployed.fuzzing import BIN

USES = Path(__file__).parent / "python_client.py"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the generated package is in."""
    directory = tmp_path_factory.mktemp("client")
    command = [BIN / "openapi-python-client", "generate", "--path", PATH, "--fail-on-warning"]
    made = subprocess.run(
        [*command, "--meta", "none", "--output-path", directory / "darkroom_client"],
        # It formats its output with the ruff of the path.
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return directory


def test_its_types_are_those_that_users_expect(generated: Path) -> None:
    checker = [sys.executable, "-m", "mypy", "--strict", "--follow-imports", "silent"]
    where = ["--config-file", "", "--cache-dir", "cache", "--python-executable", BIN / "python"]
    checked = subprocess.run(
        [*checker, *where, USES],
        env={**os.environ, "MYPYPATH": str(generated)},
        cwd=generated,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_it_generates_polls_lists_cancels_and_reads_errors(generated: Path, stack: Stack) -> None:
    api = stack.new_api("python")
    used = subprocess.run(
        [BIN / "python", USES, api.url, api.key],
        env={**os.environ, "PYTHONPATH": str(generated)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert used.returncode == 0, used.stdout + used.stderr
    assert len(used.stdout.splitlines()) == 5

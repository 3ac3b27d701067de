"""The packages of package-lock.json, which `make contract` installs."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COPIED = ("package.json", "tsconfig.json", "uses.ts")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A function that runs a command in a copy of this folder, where files may be generated."""
    directory = tmp_path_factory.mktemp("node")
    for name in COPIED:
        (directory / name).write_text((HERE / name).read_text())
    (directory / "node_modules").symlink_to(HERE / "node_modules")

    def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)

    return run

"""The trial of a new ComfyUI fails if a part or a node that a workflow uses is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.bundle import INSTANCE

MAIN = """
import logging, sys
import nodes
assert sys.argv[1:] == ["--cpu"], sys.argv
logging.warning({said!r})
sys.exit({status})
"""


def trial(folder: Path, said: str = "ready", status: int = 0) -> subprocess.CompletedProcess[str]:
    """Try a ComfyUI that has one node, logs a line and exits."""
    (folder / "nodes.py").write_text('NODE_CLASS_MAPPINGS = {"KSampler": object}\n')
    (folder / "main.py").write_text(MAIN.format(said=said, status=status))
    command = [sys.executable, INSTANCE / "try_comfyui.py", folder / "nodes.txt"]
    return subprocess.run(
        [*command, folder / "main.py", "--cpu"], capture_output=True, text=True, check=False
    )


@pytest.fixture
def wanted(tmp_path: Path) -> Path:
    (tmp_path / "nodes.txt").write_text("KSampler\n")
    return tmp_path


def test_a_comfyui_with_all_nodes_passes(wanted: Path) -> None:
    done = trial(wanted)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_part_that_could_not_be_imported_fails_the_trial(wanted: Path) -> None:
    done = trial(wanted, "IMPORT FAILED: nodes_audio.py")
    assert done.returncode == 1
    assert "IMPORT FAILED: nodes_audio.py" in done.stderr


def test_a_missing_node_fails_the_trial_and_is_named(wanted: Path) -> None:
    (wanted / "nodes.txt").write_text("KSampler\nSaveImage\n")
    done = trial(wanted)
    assert done.returncode == 1
    assert "ComfyUI lacks nodes that the workflows use: SaveImage" in done.stderr


def test_a_comfyui_that_exits_with_an_error_fails_the_trial(wanted: Path) -> None:
    assert trial(wanted, status=3).returncode == 3

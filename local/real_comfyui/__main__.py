"""Install ComfyUI as a GPU instance does, start it on the CPU, and run the contract tests on it.

python -m local.real_comfyui PYTHON REPOSITORY COMMIT: PYTHON is that of a venv that holds PyTorch,
as /opt/pytorch does on the AMI.
"""

import os
import subprocess
import sys
from pathlib import Path

from local.real_comfyui.disk import Disk
from local.real_comfyui.server import serve

CHECKPOINT = "random-weights.safetensors"
FOLDER = Path(".local/real-comfyui")


def main() -> int:
    """Return the exit status of the tests."""
    python, repository, commit = sys.argv[1:]
    disk = Disk(FOLDER.resolve())
    disk.prepare(Path(python))
    disk.install(repository, commit)
    make_checkpoint(disk)
    with serve(disk) as url:
        environment = {**os.environ, "COMFYUI_URL": url, "CHECKPOINT": CHECKPOINT}
        tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "tests/contracts"]
        status = subprocess.run(tests, env=environment, check=False).returncode
    return status or disk.check_log()


def make_checkpoint(disk: Disk) -> None:
    """Make a checkpoint with random weights; its images are noise, and take as long as others."""
    file = disk.checkpoints / CHECKPOINT
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    program = Path(__file__).with_name("checkpoint.py")
    subprocess.run([disk.python, program, disk.source, file], check=True)


if __name__ == "__main__":
    sys.exit(main())

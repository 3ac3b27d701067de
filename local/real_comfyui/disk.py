"""A directory in the place of an instance's disk, with the instance's own scripts."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from infra.bundle import bundle

# The repository that the instance names.
REPOSITORY = "https://github.com/Comfy-Org/ComfyUI.git"

# This user runs all; there is no user `comfyui`.
COMMANDS = {"runuser": '#!/bin/bash\nshift 3\nexec "$@"\n', "chown": "#!/bin/bash\n"}


class Disk:
    """What `darkroom-comfyui` reads and writes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._commands = root / "commands"
        self.bundle = root / "opt/darkroom/bundle"
        self.data = root / "var/lib/comfyui"
        self.checkpoints = self.data / "models/checkpoints"
        self.log = root / "comfyui.log"
        self.python = root / "opt/comfyui/current/venv/bin/python"
        self.source = root / "opt/comfyui/current/source"

    def prepare(self, python: Path) -> None:
        """Unpack the bundle, and put PyTorch where the AMI has it."""
        for path in (self._root / "opt", self._commands):
            shutil.rmtree(path, ignore_errors=True)
        self.bundle.mkdir(parents=True)
        self._commands.mkdir()
        with tarfile.open(fileobj=io.BytesIO(bundle()[0])) as archive:
            archive.extractall(self.bundle, filter="data")
        # Not resolved: the interpreter's own link leads out of its venv.
        (self._root / "opt/pytorch").symlink_to(python.absolute().parents[1])
        for name, program in COMMANDS.items():
            (self._commands / name).write_text(program)
            (self._commands / name).chmod(0o755)

    def install(self, repository: str, commit: str) -> None:
        """Run the instance's own installation; exit if it fails."""
        environment = {
            **os.environ,
            "DARKROOM_ROOT": str(self._root),
            "PATH": f"{self._commands}:{os.environ['PATH']}",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{repository}.insteadOf",
            "GIT_CONFIG_VALUE_0": REPOSITORY,
        }
        script = self.bundle / "darkroom-comfyui"
        if subprocess.run([script, commit], env=environment, check=False).returncode:
            sys.exit("ComfyUI could not be installed")

    def check_log(self) -> int:
        """Return 1 if the server's log lacks a line that `darkroom-timeline` reads."""
        script, log = (self.bundle / "darkroom-timeline").read_text(), self.log.read_text()
        lines = [each.split("/")[1] for each in script.splitlines() if "&& !(" in each]
        missing = [each for each in lines if each not in log]
        print(f"darkroom-timeline reads {lines}; not in the log: {missing}")
        return int(bool(missing) or not lines)

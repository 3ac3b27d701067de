"""Find the newest Python on this machine that Lambda has a runtime of.

python -m infra.newest_python: print its path.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from infra.runtime import RUNTIMES


def newest_python() -> Path:
    """Return the newest one on the PATH or of pyenv; this interpreter if there is no other."""
    for version in reversed(RUNTIMES):
        for candidate in _candidates(version):
            if _runs(candidate, version):
                return candidate
    return Path(sys.executable)


def _candidates(version: str) -> Iterator[Path]:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield Path(folder, f"python{version}")
    if root := _output("pyenv", "root"):
        yield from sorted(Path(root).glob(f"versions/{version}.*/bin/python{version}"))


def _runs(candidate: Path, version: str) -> bool:
    """Return whether it is that version: pyenv's shims exist, but may not run."""
    program = "import sys; print('{}.{}'.format(*sys.version_info))"
    return _output(candidate, "-c", program) == version


def _output(*command: str | Path) -> str:
    """Return what a command prints; empty if it fails."""
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


if __name__ == "__main__":
    print(newest_python())

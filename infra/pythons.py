"""Find the oldest and the newest Python on this machine that Lambda has a runtime of.

python -m infra.pythons: print the paths of those that have another version than this one.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from infra import runtime


def others(own: str = runtime.version()) -> list[Path]:
    """Return the oldest and the newest one on the PATH or of pyenv, without the version `own`."""
    found = {version: each for version in runtime.RUNTIMES if (each := _found(version))}
    ends = dict.fromkeys([*found][:1] + [*found][-1:])
    return [found[version] for version in ends if version != own]


def _found(version: str) -> Path | None:
    return next((each for each in _candidates(version) if _runs(each, version)), None)


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
    for each in others():
        print(each)

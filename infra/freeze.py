"""Choose a version of each package that ComfyUI requires, and write them with their hashes.

python -m infra.freeze PYTHON REPOSITORY COMMIT: PYTHON holds the AMI's PyTorch, on a machine whose
packages fit the AMI (Linux on x86-64, a glibc that is not newer).
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.bundle import INSTANCE

FILE = INSTANCE / "comfyui-requirements.txt"

# The AMI's: they fit its driver. Others, such as torchsde, only begin like these.
_PYTORCH = re.compile(r"(torch|torchvision|torchaudio|triton|(nvidia|cuda)-.*)")

_VERSIONS = """
import platform
from importlib.metadata import distributions
print(*platform.python_version_tuple()[:2], sep=".")
for each in distributions():
    print(f"{each.name}=={each.version}")
"""


def main() -> None:
    """Write the file of the bundle."""
    python, repository, commit = sys.argv[1:]
    version, pins = installed(python)
    with TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(required(repository, commit, folder))
        lines = [f"# CPython {version}", *locked(resolved(python, requirements, pins))]
    FILE.write_text("\n".join(lines) + "\n")
    print(f"{FILE.name}: {len(lines) - 1} packages")


def required(repository: str, commit: str, folder: str) -> str:
    """Return the requirements that ComfyUI itself names."""
    git = ["git", "-C", folder]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "fetch", "--quiet", "--depth=1", repository, commit], check=True)
    show = [*git, "show", "FETCH_HEAD:requirements.txt"]
    return subprocess.run(show, capture_output=True, text=True, check=True).stdout


def installed(python: str) -> tuple[str, list[str]]:
    """Return Python's version, and the versions of PyTorch's packages that it holds."""
    done = subprocess.run([python, "-c", _VERSIONS], capture_output=True, text=True, check=True)
    version, *found = done.stdout.split()
    pins = [each for each in found if _is_of_pytorch(each.partition("==")[0])]
    if not any(each.startswith("torch==") for each in pins):
        sys.exit(f"{python} holds no PyTorch")
    return version, pins


def resolved(python: str, requirements: Path, pins: list[str]) -> Any:
    """Return pip's report on what it would install beside these versions of PyTorch."""
    options = ("--dry-run", "--ignore-installed", "--only-binary=:all:", "--report=-", "--quiet")
    done = subprocess.run(
        [python, "-m", "pip", "install", *options, "-r", str(requirements), "-c", "/dev/stdin"],
        input="\n".join(pins) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def locked(report: Any) -> list[str]:
    """Return the lines of a requirements file: a version and the hash of its wheel each."""
    lines = {}
    for each in report["install"]:
        name, version = _normal(each["metadata"]["name"]), each["metadata"]["version"]
        if not _is_of_pytorch(name):
            checksum = each["download_info"]["archive_info"]["hashes"]["sha256"]
            lines[name] = f"{name}=={version} --hash=sha256:{checksum}"
    return [lines[name] for name in sorted(lines)]


def _normal(name: str) -> str:
    """Return a package's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_of_pytorch(name: str) -> bool:
    return bool(_PYTORCH.fullmatch(_normal(name)))


if __name__ == "__main__":
    main()

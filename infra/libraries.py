"""The libraries that ship, as requirements.lock names them: with their versions and hashes."""

import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from infra import steps

_ROOT = Path(__file__).parent.parent
LOCK = _ROOT / "requirements.lock"
INSTALLED = _ROOT / "build" / "libraries"


def libraries(python: str, *, lock: Path = LOCK, installed: Path = INSTALLED) -> Path:
    """Return a directory with the libraries for Lambda's runtime of a Python version.

    They are installed once for each lock and version. SystemExit says what pip said if it fails.
    """
    key = sha256(f"{python}\n{lock.read_text()}".encode()).hexdigest()
    directory = installed / key
    if not directory.exists():
        installed.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=installed) as made:
            _install(python, lock, Path(made, "libraries"))
            _publish(Path(made, "libraries"), directory)
    return directory


def _install(python: str, lock: Path, directory: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    locked = ["--require-hashes", "--no-deps", "--only-binary=:all:", "-r", lock]
    # Wheels for Lambda, whatever this machine is.
    abi = f"cp{python.replace('.', '')}"
    platform = ["--platform", "manylinux2014_x86_64", "--implementation", "cp"]
    target = ["--python-version", python, "--abi", abi, "--no-compile", "--target", directory]
    steps.run(f"Installing {lock.name}", [*pip, *locked, *platform, *target])


def _publish(made: Path, directory: Path) -> None:
    """Rename a complete installation, unless another process was faster."""
    try:
        made.rename(directory)
    except OSError:
        if not directory.exists():
            raise

"""What ships is locked: its versions, hashes, and wheels for every runtime."""

import re
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.libraries import LOCK, libraries
from infra.runtime import RUNTIMES

ROOT = LOCK.parent
_PIN = re.compile(
    r"^([\w.-]+)==([^\s;]+)(?: ; ([^\\]+?))? \\\n((?:    --hash=.*\n)+)", re.MULTILINE
)
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}")

LOCKED = {name: (version, marker) for name, version, marker, _ in _PIN.findall(LOCK.read_text())}


def pinned(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text().splitlines()
    pins = (line.split("==") for line in lines if re.match(r"\w", line))
    return {canonicalize_name(name): version for name, version in pins}


def needed(names: set[str], python: str) -> set[str]:
    """Return packages with all that they depend on, for a version of Python."""
    known: set[str] = set()
    while names:
        name = names.pop()
        known.add(name)
        dependencies = map(Requirement, requires(name) or ())
        environment = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
        found = {
            canonicalize_name(each.name)
            for each in dependencies
            if each.marker is None or each.marker.evaluate(environment)
        }
        names |= found - known
    return known


def test_every_entry_of_the_lock_has_hashes() -> None:
    entries = [line for line in LOCK.read_text().splitlines() if not line.startswith((" ", "#"))]
    assert len(entries) == len(LOCKED)
    for *_, hashes in _PIN.findall(LOCK.read_text()):
        for line in hashes.splitlines():
            assert _HASH.fullmatch(line.removesuffix(" \\")), line


def test_the_lock_has_the_versions_of_the_requirements() -> None:
    chalice = {"chalice": pinned("requirements-package.txt")["chalice"]}
    for name, wanted in {**pinned("requirements.txt"), **chalice}.items():
        assert LOCKED[name][0] == wanted, name


@pytest.mark.parametrize("python", RUNTIMES)
def test_the_lock_has_what_the_requirements_depend_on_and_nothing_else(python: str) -> None:
    environment = {"python_full_version": f"{python}.0"}
    locked = {
        name
        for name, (_, marker) in LOCKED.items()
        if not marker or Requirement(f"{name} ; {marker}").marker.evaluate(environment)  # type: ignore[union-attr]
    }
    assert locked == {"chalice", *needed(set(pinned("requirements.txt")), python)}


def test_the_tests_run_what_ships() -> None:
    installed = {name: version(name) for name in LOCKED}
    assert installed == {name: locked for name, (locked, _) in LOCKED.items()}


@pytest.mark.parametrize("python", RUNTIMES)
def test_the_hashes_are_those_of_wheels_for_every_runtime(python: str) -> None:
    suffixes = (f".cpython-{python.replace('.', '')}-x86_64-linux-gnu.so", ".abi3.so")
    extensions = [path.name for path in libraries(python).rglob("*.so")]
    assert extensions
    assert all(name.endswith(suffixes) for name in extensions), extensions


def test_a_wheel_with_another_hash_is_refused(tmp_path: Path) -> None:
    entry = f"six=={LOCKED['six'][0]} --hash=sha256:{'0' * 64}\n"
    (tmp_path / "wrong.lock").write_text(entry)
    with pytest.raises(SystemExit, match=r"Installing wrong\.lock failed:") as refused:
        libraries(RUNTIMES[-1], lock=tmp_path / "wrong.lock", installed=tmp_path / "installed")
    assert "DO NOT MATCH THE HASHES" in str(refused.value)
    assert not list((tmp_path / "installed").iterdir())

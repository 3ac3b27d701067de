"""The bundle has all that an instance needs, and is the same for the same files."""

import io
import tarfile
from pathlib import Path

from infra.bundle import INSTANCE, bundle
from tests.infra.instance import checksum


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    for file in sorted(INSTANCE.iterdir(), reverse=True):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert bundle(tmp_path) == bundle()


def test_the_bundle_is_returned_with_its_checksum() -> None:
    made, stated = bundle()
    assert checksum(made) == stated


def test_only_scripts_are_executable() -> None:
    with tarfile.open(fileobj=io.BytesIO(bundle()[0])) as archive:
        modes = {entry.name: entry.mode for entry in archive}
    scripts = {name for name in modes if name.startswith("darkroom-") and "." not in name}
    assert {name for name, mode in modes.items() if mode == 0o755} == scripts
    assert {name for name, mode in modes.items() if mode == 0o644} == modes.keys() - scripts


def test_the_readme_is_not_in_the_bundle(tmp_path: Path) -> None:
    for file in INSTANCE.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "README.md").write_text("other words")
    assert bundle(tmp_path) == bundle()

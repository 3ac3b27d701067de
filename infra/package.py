"""Build the package: zips of the code, and `chalice package`'s template merged with infra/.

python -m infra.package DIRECTORY
"""

import json
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from py_compile import PycInvalidationMode, compile  # noqa: A004

from infra import botocore_data, runtime, steps
from infra.libraries import libraries
from infra.preflights import allow_origin
from infra.template import declared

ROOT = Path(__file__).parent.parent

OURS = ("app.py", "chalicelib")
PAGES = "pages"

# What is uploaded, and what functions name as their code.
ZIPS = ("deployment.zip", "pages.zip")

# What Chalice needs at run time; the rest of it packages.
_CHALICE = {"chalice", "chalice/__init__.py", "chalice/app.py"}

# pip's records of the installation differ from machine to machine.
_RECORDS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}

# What libraries have and do not use here.
_UNUSED = {
    "botocore/data",  # `botocore_data` writes what is used
    "botocore/cacert.pem",  # certifi's is used where it is installed
    "dateutil/zoneinfo/dateutil-zoneinfo.tar.gz",  # botocore uses UTC and the local time only
    "websocket/tests",
}
_UNUSED_SUFFIXES = {".pyi", ".typed", ".c", ".h", ".pxd"}

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time in a zip file


def package(directory: Path) -> None:
    """Write `deployment.zip`, `pages.zip` and `template.json`.

    SystemExit says which step failed and why, or that Lambda has no runtime of this Python.
    """
    if refused := runtime.refusal(runtime.version()):
        raise SystemExit(refused)
    if warning := runtime.warning(runtime.version()):
        print(warning, file=sys.stderr)
    with tempfile.TemporaryDirectory() as made:
        _chalice_package(Path(made))
        code = Path(made, "code")
        _collect(Path(made, "deployment.zip"), code)
        pages = Path(made, "pages")
        shutil.copytree(ROOT / PAGES, pages / PAGES, ignore=shutil.ignore_patterns("__pycache__"))
        directory.mkdir(parents=True, exist_ok=True)
        for folder, name in zip((code, pages), ZIPS, strict=True):
            _compile(folder)
            _zip(folder, directory / name)
        template = json.loads(Path(made, "sam.json").read_text())
    allow_origin(template)
    (directory / "template.json").write_text(json.dumps(template, separators=(",", ":")))


def _chalice_package(directory: Path) -> None:
    """Package the application alone: Chalice would install libraries without checking hashes."""
    project = directory / "project"
    (project / ".chalice").mkdir(parents=True)
    for name in (*OURS, ".chalice/config.json"):
        (project / name).symlink_to(ROOT / name)
    # JSON, because Chalice would write YAML with anchors, which CloudFormation does not support.
    ours = directory / "ours.json"
    template = declared()
    template["Resources"]["Pages"]["Properties"]["Runtime"] = f"python{runtime.version()}"
    ours.write_text(json.dumps(template))
    environment = {"AWS_DEFAULT_REGION": "us-east-1", **os.environ}
    command = [Path(sys.executable).with_name("chalice"), "package", "--merge-template", ours]
    steps.run("chalice package", [*command, directory], cwd=project, env=environment)


def _collect(chalice_zip: Path, code: Path) -> None:
    """Copy what ships: the libraries, and our own code as Chalice packages it."""
    installed = libraries(runtime.version())

    def not_needed(folder: str, names: list[str]) -> list[str]:
        at = Path(folder).relative_to(installed)
        return [name for name in names if not _is_needed(at / name)]

    shutil.copytree(installed, code, ignore=not_needed)
    botocore_data.write(installed / "botocore/data", code / "botocore/data")
    with zipfile.ZipFile(chalice_zip) as archive:
        names = [Path(name) for name in archive.namelist()]
        ours = [name for name in names if name.parts[0] in OURS and "__pycache__" not in name.parts]
        archive.extractall(code, members=map(str, ours))


def _is_needed(name: Path) -> bool:
    parts = name.parts
    if "__pycache__" in parts or parts[0] == "bin" or name.name in _RECORDS:
        return False
    if parts[0].startswith("chalice"):
        return str(name) in _CHALICE
    if parts[0] == "charset_normalizer" and name.suffix == ".so":
        return False  # the same modules are there as bytecode, which takes less time to load
    return str(name) not in _UNUSED and name.suffix not in _UNUSED_SUFFIXES


def _compile(code: Path) -> None:
    """Compile all code, as bytecode cannot be stored on Lambda's read-only file system.

    Libraries are shipped as bytecode only, so that the zip does not grow.
    """
    for source in sorted(code.rglob("*.py")):
        name = source.relative_to(code)
        is_ours = name.parts[0] in (*OURS, PAGES)
        compile(
            str(source),
            cfile=None if is_ours else f"{source}c",
            dfile=str(name),
            doraise=True,
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )
        if not is_ours:
            source.unlink()


def _zip(code: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in sorted(path for path in code.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(file.relative_to(code)), _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes())


if __name__ == "__main__":
    package(Path(sys.argv[1]))
    print(f"{sys.argv[1]}: {', '.join(ZIPS)}, template.json")

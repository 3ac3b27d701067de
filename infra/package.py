"""Build the package: a zip of the code, and `chalice package`'s template merged with infra/.

python -m infra.package DIRECTORY
"""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from py_compile import PycInvalidationMode, compile  # noqa: A004

from infra.template import declared

ROOT = Path(__file__).parent.parent

# Chalice packages the models of all 400 AWS services, 15 MB of the zip; Darkroom calls these.
SERVICES = {"dynamodb", "ec2", "s3", "scheduler", "sqs"}

OURS = ("app.py", "chalicelib")

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time in a zip file


def package(directory: Path) -> None:
    """Write `deployment.zip` and `template.json`."""
    with tempfile.TemporaryDirectory() as made:
        _chalice_package(Path(made))
        directory.mkdir(parents=True, exist_ok=True)
        code = Path(made, "code")
        with zipfile.ZipFile(Path(made, "deployment.zip")) as archive:
            archive.extractall(code, members=filter(_is_needed, archive.namelist()))
        _compile(code)
        _zip(code, directory / "deployment.zip")
        template = json.loads(Path(made, "sam.json").read_text())
    (directory / "template.json").write_text(json.dumps(template, separators=(",", ":")))


def _chalice_package(directory: Path) -> None:
    # JSON, because Chalice would write YAML with anchors, which CloudFormation does not support.
    ours = directory / "ours.json"
    ours.write_text(json.dumps(declared()))
    environment = {"AWS_DEFAULT_REGION": "us-east-1", **os.environ}
    command = [Path(sys.executable).with_name("chalice"), "package"]
    options = ["--merge-template", ours, directory]
    subprocess.run([*command, *options], cwd=ROOT, env=environment, check=True, capture_output=True)


def _is_needed(name: str) -> bool:
    parts = Path(name).parts
    if "__pycache__" in parts:
        return False
    is_model = parts[:2] == ("botocore", "data") and len(parts) > 3
    return not is_model or parts[2] in SERVICES


def _compile(code: Path) -> None:
    """Compile all code, as bytecode cannot be stored on Lambda's read-only file system.

    Libraries are shipped as bytecode only, so that the zip does not grow.
    """
    for source in sorted(code.rglob("*.py")):
        name = source.relative_to(code)
        is_ours = name.parts[0] in OURS
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
    print(f"{sys.argv[1]}: deployment.zip, template.json")

"""Pack the files that a GPU instance installs. The same files always give the same bytes."""

import gzip
import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path

INSTANCE = Path(__file__).parent / "instance"
WORKFLOWS = INSTANCE.parents[1] / "chalicelib/workflows"

# Not installed on instances: a change to them must not set up an instance again.
_OTHERS = {"README.md", "user-data.sh"}


def bundle(directory: Path = INSTANCE) -> tuple[bytes, str]:
    """Return a `tar.gz` and its SHA-256: a directory's files, and the nodes of our workflows."""
    files = {file.name: file.read_bytes() for file in directory.iterdir() if file.is_file()}
    files["nodes.txt"] = "".join(f"{each}\n" for each in workflow_nodes()).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items()):
            if name not in _OTHERS:
                archive.addfile(_entry(name, content), io.BytesIO(content))
    zipped = gzip.compress(packed.getvalue(), mtime=0)
    return zipped, sha256(zipped).hexdigest()


def workflow_nodes() -> list[str]:
    """Return the classes of the nodes that the shipped workflows use."""
    documents = [json.loads(file.read_text()) for file in WORKFLOWS.glob("*.json")]
    return sorted({node["class_type"] for each in documents for node in each["graph"].values()})


def _entry(name: str, content: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o755 if content.startswith(b"#!") else 0o644
    return entry

"""Pack the files that a GPU instance installs. The same files always give the same bytes."""

import gzip
import io
import tarfile
from hashlib import sha256
from pathlib import Path

INSTANCE = Path(__file__).parent / "instance"

# Not installed on instances: a change to them must not set up an instance again.
_OTHERS = {"README.md", "user-data.sh"}


def bundle(directory: Path = INSTANCE) -> tuple[bytes, str]:
    """Return a `tar.gz` and its SHA-256."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for file in sorted(directory.iterdir()):
            if file.name not in _OTHERS:
                content = file.read_bytes()
                archive.addfile(_entry(file.name, content), io.BytesIO(content))
    zipped = gzip.compress(packed.getvalue(), mtime=0)
    return zipped, sha256(zipped).hexdigest()


def _entry(name: str, content: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o755 if content.startswith(b"#!") else 0o644
    return entry

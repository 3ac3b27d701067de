"""Pack what the GPU instance installs: the same files always make the same bytes."""

import gzip
import io
import tarfile
from hashlib import sha256
from pathlib import Path

INSTANCE = Path(__file__).parent / "instance"

# Those that are on no instance; a change of them shall not set one up again.
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

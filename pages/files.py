"""The files of the pages, each with the version of its contents."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent

_KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".txt": "text/plain",
    ".json": "application/json",
}


class File(NamedTuple):
    """A text with its media type and its version, which changes with the text."""

    text: str
    kind: str
    version: str


def _name(path: Path) -> str:
    # Links of a page are relative to `…/folder`, so its HTML is served there only.
    return "" if path.name == "index.html" else path.name


_PATHS = {
    (path.parent.name, _name(path)): path for path in HERE.glob("*/*") if path.suffix in _KINDS
}


def find(folder: str, name: str = "") -> File | None:
    """Return a file of a folder, without a name its page; None if there is no such file."""
    path = _PATHS.get((folder, name))
    return read(path) if path else None


@cache
def read(path: Path) -> File:
    content = path.read_bytes()
    return versioned(content.decode(), _KINDS[path.suffix])


def versioned(text: str, kind: str) -> File:
    return File(text, kind, sha256(text.encode()).hexdigest()[:12])

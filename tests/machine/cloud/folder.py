"""The folder from which the cloud is served. It is read anew for each request."""

import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

_lock = Lock()


@dataclass(frozen=True)
class Folder:
    """`user-data`, `parameters/NAME`, `s3/BUCKET/KEY`, `git/OWNER/NAME.git`, `faults/NAME`."""

    path: Path

    @property
    def user_data(self) -> Path:
        return self.path / "user-data"

    @property
    def repositories(self) -> Path:
        return self.path / "git"

    def parameter(self, name: str) -> Path:
        return self.path / "parameters" / name.strip("/")

    def bucket(self, name: str) -> Path:
        return self.path / "s3" / name

    def fault(self, name: str) -> Path:
        """Return the file of a fault: `503`, `drop` or `sleep SECONDS`.

        The name is `imds`, `dns`, or how a host's name begins.
        """
        return self.path / "faults" / name

    def fault_of(self, name: str) -> str:
        """Return the fault of a service or host; empty if it has none."""
        faults = sorted((self.path / "faults").glob("*"))
        found = [each.read_text().strip() for each in faults if name.startswith(each.name)]
        return found[0] if found else ""

    def log(self, *words: object) -> None:
        """Add a line to `requests.log`."""
        line = " ".join(map(str, (f"{time.time():.3f}", *words)))
        with _lock, (self.path / "requests.log").open("a") as file:
            file.write(f"{line}\n")

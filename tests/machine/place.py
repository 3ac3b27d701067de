"""Where machines are on this computer, and that there is one at a time."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.machine.authority import Authority
from tests.machine.image import Image, built

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Place:
    """What all machines of a computer share."""

    image: Image
    authority: Authority


def cache() -> Path:
    """Return the folder that keeps the image: MACHINE_CACHE, or one of the checkout."""
    return Path(os.environ.get("MACHINE_CACHE") or ROOT / ".local/machine").resolve()


def prepared() -> Place:
    """Make the authority and the image, unless they exist."""
    authority = Authority(cache() / "authority")
    authority.prepare()
    return Place(built(cache(), authority), authority)


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other machine of this cache is on; two would slow each other down."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("Waiting until another machine is off")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield

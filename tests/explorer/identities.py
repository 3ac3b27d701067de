"""Ids that depend on who takes them and how often, so that a run is the same in every process."""

import sys
from collections import Counter
from functools import cache
from typing import Any
from uuid import UUID, uuid4, uuid5
from zlib import crc32

from ulid import ULID

from tests.faults.scheduler import Scheduler

_SPACE = UUID(int=0)


class Identities:
    """Replaces `uuid4` and `ULID` in all modules that make ids."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._taken = Counter[str]()

    def install(self) -> None:
        for module, name in _places(uuid4):
            setattr(module, name, self.uuid4)
        for module, name in _places(ULID):
            setattr(module, name, self.ulid)

    def uuid4(self) -> UUID:
        return uuid5(_SPACE, " ".join(map(str, self._next())))

    def ulid(self) -> str:
        name, number = self._next()
        seconds = round(self._scheduler.now) % 100_000
        return f"01J{seconds:05d}{crc32(name.encode()) % 10**8:08d}{number:010d}"

    def _next(self) -> tuple[str, int]:
        running = self._scheduler.running
        name = running.name if running else ""
        self._taken[name] += 1
        return name, self._taken[name]


@cache
def _places(original: Any) -> list[tuple[Any, str]]:
    """Return where the modules of the product have a function, as they were at first."""
    modules = [each for name, each in sys.modules.items() if name.startswith("chalicelib.")]
    return [
        (module, name)
        for module in modules
        for name, value in vars(module).items()
        if value is original
    ]

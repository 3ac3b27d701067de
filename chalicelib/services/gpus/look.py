"""A look at the fleet and at the queue, before a job gets a slot."""

import logging
from functools import partial
from typing import NamedTuple

from chalicelib.models.jobs import queue
from chalicelib.services.gpus.inventory import Inventory, Server
from chalicelib.services.together import Together

log = logging.getLogger("darkroom.look")

_MANY = 20  # jobs that wait: another one waits its turn, however many slots are free


class Seen(NamedTuple):
    """The servers that take jobs, and how many jobs wait, at most 20."""

    servers: list[Server]
    waiting: int

    @property
    def has_free_slot(self) -> bool:
        """Whether more slots are free than jobs wait."""
        free = sum(each.record.free_slots for each in self.servers)
        return self.waiting < min(free, _MANY)


class Look:
    """Reads both at once: in advance, or when the result is first needed.

    The write that gives a slot checks whether it is still free.
    """

    def __init__(self, inventory: Inventory, together: Together) -> None:
        self._inventory = inventory
        self._together = together
        self._seen: Seen | None = None

    def in_advance(self) -> None:
        """Read now. If that fails, the result is read when it is needed."""
        try:
            self._seen = self._read()
        except Exception:
            log.warning("the fleet or the queue could not be read in advance", exc_info=True)

    def result(self) -> Seen:
        """Return what was seen; raise what reading it raises."""
        self._seen = self._seen or self._read()
        return self._seen

    def _read(self) -> Seen:
        servers, waiting = self._together([self._inventory.serving, partial(queue.first, _MANY)])
        return Seen(servers, len(waiting))

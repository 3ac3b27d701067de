"""The chains of redirects that each API key has open, in the jobs table."""

from functools import reduce
from operator import and_
from random import random
from typing import Any
from uuid import uuid4

from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action

from chalicelib.config import config
from chalicelib.days import DAY_SECONDS
from chalicelib.models.jobs.job import Job
from chalicelib.models.table import Table

_MOST = 20
# Of the whole deployment, where the account runs few functions at a time.
_MOST_OF_SMALL_ACCOUNT = 2

# A chain stays open this long after a response, until its caller's next request.
_BETWEEN_SECONDS = 5

_TRIES = 5


class OpenChains(Table):
    """The chains of a key, 20 at most, and until when each counts as open.

    That time is negative while a request waits in the chain: no other one can wait in it. So no
    more requests wait than chains may be open.
    """

    class Meta:
        table_name = config.jobs_table

    beside = Job

    id = UnicodeAttribute(hash_key=True)
    chains: MapAttribute[str, Any] = MapAttribute(default=dict)
    expires_at = NumberAttribute()

    _most = _MOST

    @classmethod
    def of(cls, key_id: str, *, is_small_account: bool) -> "OpenChains":
        """Return those of a key; those of all keys where the account runs few functions."""
        found = cls(f"chains:{'all' if is_small_account else key_id}")
        found._most = _MOST_OF_SMALL_ACCOUNT if is_small_account else _MOST
        return found

    def open(self, *, now: float) -> str | None:
        """Open a chain for a caller that is redirected; return None if too many are open."""
        return self._enter(uuid4().hex, now, now + _BETWEEN_SECONDS)

    def wait(self, chain: str, *, now: float, until: float) -> str | None:
        """Note that a request waits in a chain until a time; `leave` or `close` ends that.

        If neither is called, the chain counts as closed 5 s after that time. Return the chain, or a
        new one if another request waits in this one. Return None if too many are open.
        """
        # The fraction tells this write from that of another request at the same time.
        return self._enter(chain, now, -(until + _BETWEEN_SECONDS - random()))  # noqa: S311

    def leave(self, chain: str, *, now: float) -> None:
        """Keep a chain open for its caller's next request, after one that waited."""
        entry = OpenChains.chains[chain]
        self.update_if(entry < 0, entry.set(now + _BETWEEN_SECONDS))

    def close(self, chain: str) -> None:
        """Close a chain; harmless if it is not open."""
        entry = OpenChains.chains[chain]
        self.update_if(entry.exists(), entry.remove())

    def _enter(self, chain: str, now: float, until: float) -> str | None:
        for _ in range(_TRIES):
            if self._write(chain, now, until):
                return chain
            known = self._known()
            if known is None:
                self._create(now)
            elif known.get(chain, 0) < -now:
                chain = uuid4().hex  # the request in it waits on
            elif not self._forget_old(known, now) and len(known) >= self._most:
                return None
        return None

    def _write(self, chain: str, now: float, until: float) -> bool:
        chains, entry = OpenChains.chains, OpenChains.chains[chain]
        is_free = entry >= -now  # no request waits, or it should have left by now
        is_ours = entry == until  # this same write, repeated as its response was lost
        is_new = entry.does_not_exist() & (size(chains) < self._most)
        return self.update_if(is_free | is_ours | is_new, entry.set(until), _expires(now))

    def _known(self) -> dict[str, float] | None:
        try:
            stored = OpenChains.get(self.id, consistent_read=True)
        except OpenChains.DoesNotExist:
            return None
        return {chain: float(until) for chain, until in stored.chains.as_dict().items()}

    def _create(self, now: float) -> None:
        chains = OpenChains.chains
        self.update_if(chains.does_not_exist(), chains.set({}), _expires(now))

    def _forget_old(self, known: dict[str, float], now: float) -> bool:
        """Close chains whose next request has not come; return whether there were some."""
        old = {chain: until for chain, until in known.items() if abs(until) <= now}
        if not old:
            return False
        unchanged: list[Condition] = [
            OpenChains.chains[chain] == until for chain, until in old.items()
        ]
        forgotten = [OpenChains.chains[chain].remove() for chain in old]
        self.update_if(reduce(and_, unchanged), *forgotten)
        return True


def _expires(now: float) -> Action:
    expires: Action = OpenChains.expires_at.set(int(now) + DAY_SECONDS)
    return expires

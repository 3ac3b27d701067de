"""The chains of redirects that each API key has open, in the jobs table."""

from functools import reduce
from operator import and_
from random import random
from typing import Any
from uuid import uuid4

from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import size
from pynamodb.expressions.update import Action

from chalicelib.config import config
from chalicelib.days import DAY_SECONDS
from chalicelib.models.jobs.job import Job
from chalicelib.models.table import Table

_MOST = 20
# Of the whole deployment, where the account runs few functions at a time.
_MOST_OF_SMALL_ACCOUNT = 2

# A chain stays open this long between two of its requests.
_BETWEEN_SECONDS = 5

_CLOCK_SECONDS = 1  # by which the clocks of two functions may differ

_TRIES = 5


class OpenChains(Table):
    """The chains of a key, 20 at most, and for each the time until which it counts as open.

    A request that waits in a chain keeps it open until its response is due, and 5 s longer. No
    other request waits in it meanwhile, so no more functions wait than chains may be open.
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

    def hold(self, chain: str, *, now: float, until: float) -> str | None:
        """Keep a chain open for a request whose response is due at `until`, and until the next one.

        Return the chain, or a new one if another request waits in this one. Return None if too many
        are open.
        """
        # The fraction tells this write from that of another request at the same time.
        held_until = until + _BETWEEN_SECONDS - random()  # noqa: S311
        for _ in range(_TRIES):
            if self._hold(chain, now, held_until):
                return chain
            known = self._known()
            if known is None:
                self._create(now)
            elif known.get(chain, 0) > _between(now):
                chain = uuid4().hex
            elif not self._forget_old(known, now):
                return None
        return None

    def release(self, chain: str) -> None:
        """Close a chain; harmless if it is not open."""
        entry = OpenChains.chains[chain]
        self.update_if(entry.exists(), entry.remove())

    def _hold(self, chain: str, now: float, held_until: float) -> bool:
        chains, entry = OpenChains.chains, OpenChains.chains[chain]
        is_between = entry <= _between(now)
        is_ours = entry == held_until  # this same write, repeated as its response was lost
        is_new = entry.does_not_exist() & (size(chains) < self._most)
        return self.update_if(
            is_between | is_ours | is_new, entry.set(held_until), self._expires(held_until)
        )

    def _known(self) -> dict[str, float] | None:
        try:
            stored = OpenChains.get(self.id, consistent_read=True)
        except OpenChains.DoesNotExist:
            return None
        return {chain: float(until) for chain, until in stored.chains.as_dict().items()}

    def _create(self, now: float) -> None:
        chains = OpenChains.chains
        self.update_if(chains.does_not_exist(), chains.set({}), self._expires(now))

    def _forget_old(self, known: dict[str, float], now: float) -> bool:
        """Close chains whose next request has not come; return whether there were some."""
        old = {chain: until for chain, until in known.items() if until <= now}
        if not old:
            return False
        unchanged = [OpenChains.chains[chain] == until for chain, until in old.items()]
        forgotten = [OpenChains.chains[chain].remove() for chain in old]
        self.update_if(reduce(and_, unchanged), *forgotten)
        return True

    @staticmethod
    def _expires(now: float) -> Action:
        expires: Action = OpenChains.expires_at.set(int(now) + DAY_SECONDS)
        return expires


def _between(now: float) -> float:
    """Return until when a chain counts at most if its last response was due by now."""
    return now + _BETWEEN_SECONDS + _CLOCK_SECONDS

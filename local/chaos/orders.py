"""The orders of a fault run: which images are requested, by which caller, and how."""

from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

CALLERS = 20
OWNERS = 3
SIZE = 64

PLAIN, KEYED, TWICE, LATER = "plain", "keyed", "twice at once", "again later"
HANGS_UP, CANCELED = "hangs up", "canceled"

_KINDS = {PLAIN: 50, KEYED: 50, TWICE: 30, LATER: 20, HANGS_UP: 35, CANCELED: 15}
_PATIENCE = 12
_WAITS = (None, 15, 10, 5, 3)  # seconds that callers prefer to wait; None lets the API decide


@dataclass(frozen=True)
class Order:
    """A request for one image; its prompt is `name`, so that every job shows its order.

    An order without an Idempotency-Key that is not answered is repeated under another `name`.
    """

    name: str
    caller: int
    kind: str
    prefer: str | None
    steps: int
    seconds: float  # after which the caller hangs up or cancels
    pause_seconds: float

    @property
    def key(self) -> str | None:
        return None if self.kind == PLAIN else f"key of {self.name}"

    @property
    def headers(self) -> dict[str, str]:
        found = {"Prefer": self.prefer} if self.prefer else {}
        return found | ({"Idempotency-Key": self.key} if self.key else {})

    @property
    def body(self) -> dict[str, Any]:
        size = {"width": SIZE, "height": SIZE}
        return {"prompt": self.name, "steps": self.steps, **size}


class Answer(NamedTuple):
    """An answer; `status` 0 means no answer, `code` says why a job that ended has no image."""

    order: str
    status: int
    job_id: str | None = None
    code: str | None = None

    @property
    def is_accepted(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_known(self) -> bool:
        """Whether the caller need not repeat: the job was accepted, refused, or has ended."""
        return self.is_accepted or 400 <= self.status < 500 or self.code is not None


def orders(chance: Random) -> list[list[Order]]:
    """Return the orders of each caller, in the order in which they are sent."""
    kinds = [kind for kind, count in _KINDS.items() for _ in range(count)]
    chance.shuffle(kinds)
    made = [_order(index, kind, chance) for index, kind in enumerate(kinds)]
    return [made[caller::CALLERS] for caller in range(CALLERS)]


def _order(index: int, kind: str, chance: Random) -> Order:
    wait = chance.choice(_WAITS)
    prefer = None if wait is None else f"wait={wait}"
    if kind == CANCELED or (kind != HANGS_UP and chance.random() < 0.65):
        prefer = "respond-async"
    is_watched = kind == CANCELED and chance.random() < 0.6  # some are canceled while they run
    return Order(
        name=f"order {index}",
        caller=index % CALLERS,
        kind=kind,
        prefer=prefer,
        steps=chance.randint(3, 8),
        seconds=chance.uniform(0.3, 6) * (_PATIENCE if is_watched else 1),
        pause_seconds=chance.uniform(0, 4),
    )

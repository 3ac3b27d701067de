"""The choices that make an order: who goes on, who stands still, and which call fails."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a choice costs of the bounds of an order."""

    TURN = "turn"  # where a process waits or ends, another one goes on than the first that may
    PREEMPTION = "preemption"  # another process goes on, or the one that would stands still
    FAULT = "fault"


class Choice(NamedTuple):
    """What happens at a step instead of the default: `what` is a process's name, or a word."""

    kind: Kind
    what: str


class Bounds(NamedTuple):
    """How many choices an order may still have: in all, and of two kinds."""

    choices: int
    preemptions: int = 2
    faults: int = 1

    def allow(self, kind: Kind) -> bool:
        left = {Kind.PREEMPTION: self.preemptions, Kind.FAULT: self.faults}.get(kind, 1)
        return self.choices > 0 and left > 0

    def after(self, kind: Kind) -> Bounds:
        """Return what is left after a choice."""
        return Bounds(
            self.choices - 1,
            self.preemptions - (kind is Kind.PREEMPTION),
            self.faults - (kind is Kind.FAULT),
        )


# The choices of an order by the number of the step.
Order = dict[int, str]


def text_of(order: Order) -> str:
    """Return an order as a text that `order_of` reads."""
    return ", ".join(f"{step}: {what}" for step, what in sorted(order.items()))


def order_of(text: str) -> Order:
    pairs = (each.split(":", 1) for each in text.split(",") if each.strip())
    return {int(step): what.strip() for step, what in pairs}

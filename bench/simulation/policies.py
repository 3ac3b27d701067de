"""The compared policies for stopping an idle GPU."""

from typing import Protocol

from bench.simulation.learned import Terms, remembered, timeout_seconds

FIXED_SECONDS = 300.0


class Policy(Protocol):
    """Sets how long an instance may be idle, and learns from how long the fleet was idle."""

    is_always_on: bool
    limit_seconds: float

    def learn(self, gap_seconds: float) -> None:
        """Record a gap between the end of the last job and the next job."""


class Fixed:
    """A fixed timeout."""

    is_always_on = False

    def __init__(self, limit_seconds: float) -> None:
        self.limit_seconds = limit_seconds

    def learn(self, gap_seconds: float) -> None:
        """Learn nothing."""


class AlwaysOn(Fixed):
    """An instance that starts before the first job and never stops."""

    is_always_on = True

    def __init__(self) -> None:
        super().__init__(float("inf"))


class Learned:
    """A timeout that is learned from the gaps."""

    is_always_on = False

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._gaps: list[float] = []
        self.limit_seconds = timeout_seconds(self._gaps, terms)

    def learn(self, gap_seconds: float) -> None:
        """Record the gap, and choose the timeout again."""
        self._gaps = remembered(self._gaps, gap_seconds)
        self.limit_seconds = timeout_seconds(self._gaps, self._terms)


def terms(boot_seconds: float, waiting_seconds: float) -> Terms:
    """Return the terms of a learned timeout between a minute and an hour."""
    return Terms(
        fixed_seconds=FIXED_SECONDS,
        shortest_seconds=60,
        longest_seconds=3600,
        boot_seconds=boot_seconds,
        waiting_seconds=waiting_seconds,
    )

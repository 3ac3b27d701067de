"""A simulated GPU instance, and its billed seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.simulation.settings import Setting


@dataclass
class Spent:
    """Billed seconds by state, and the number of starts."""

    booting: float = 0.0
    busy: float = 0.0
    idle: float = 0.0
    starts: int = 0

    @property
    def seconds(self) -> float:
        """All billed seconds."""
        return self.booting + self.busy + self.idle


class Instance:
    """Off, booting, busy or idle; `World` makes it change."""

    def __init__(self, setting: Setting, spent: Spent) -> None:
        self._setting = setting
        self._spent = spent
        self._started_at = 0.0
        self._busy = 0.0
        self.is_on = False
        self.idle_since: float | None = None

    def start(self, now: float) -> float:
        """Start booting; return the time at which the instance is ready."""
        self.is_on, self._started_at, self._busy = True, now, 0.0
        self._spent.starts += 1
        return now + self._setting.boot_seconds

    def work(self, now: float, seconds: float) -> float:
        """Run a job; return the time at which it ends."""
        self.idle_since = None
        self._busy += seconds
        return now + seconds

    def stop(self, now: float) -> None:
        """Stop, and add the seconds to the bill."""
        on = max(now - self._started_at, self._setting.least_billed_seconds)
        booting = min(self._setting.boot_seconds, on)
        self._spent.booting += booting
        self._spent.busy += self._busy
        self._spent.idle += on - booting - self._busy
        self.is_on, self.idle_since = False, None

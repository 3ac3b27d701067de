"""One simulated GPU instance, and what it has been billed for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.simulation.settings import Setting


@dataclass
class Spent:
    """Seconds that were billed, by what they went to."""

    booting: float = 0.0
    busy: float = 0.0
    idle: float = 0.0
    starts: int = 0

    @property
    def seconds(self) -> float:
        """All that was billed."""
        return self.booting + self.busy + self.idle


class Instance:
    """Off, booting, busy or idle; the world says when each begins."""

    def __init__(self, setting: Setting, spent: Spent) -> None:
        self._setting = setting
        self._spent = spent
        self._started_at = 0.0
        self._busy = 0.0
        self.is_on = False
        self.idle_since: float | None = None

    def start(self, now: float) -> float:
        """Boot; return when it will be ready."""
        self.is_on, self._started_at, self._busy = True, now, 0.0
        self._spent.starts += 1
        return now + self._setting.boot_seconds

    def work(self, now: float, seconds: float) -> float:
        """Run a job; return when it ends."""
        self.idle_since = None
        self._busy += seconds
        return now + seconds

    def stop(self, now: float) -> None:
        """Be billed."""
        on = max(now - self._started_at, self._setting.least_billed_seconds)
        booting = min(self._setting.boot_seconds, on)
        self._spent.booting += booting
        self._spent.busy += self._busy
        self._spent.idle += on - booting - self._busy
        self.is_on, self.idle_since = False, None

"""Images, and the time and money that went into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from chalicelib.models.day_usage import DayUsage


class Spending(Struct):
    """Sums in seconds and dollars; a cost of None is not known."""

    images: int = 0
    booting_seconds: float = 0
    busy_seconds: float = 0
    idle_seconds: float = 0
    busy_cost: float | None = 0
    standing_cost: float = 0

    @classmethod
    def on(cls, day: DayUsage) -> Spending:
        """Return what was booked on a day."""
        return cls(
            booting_seconds=float(day.booting_seconds),
            busy_seconds=float(day.busy_seconds),
            idle_seconds=float(day.idle_seconds),
            busy_cost=float(day.busy_cost),
            standing_cost=float(day.booting_cost + day.idle_cost),
        )

    @property
    def cost(self) -> float | None:
        """Dollars in all."""
        return add(self.busy_cost, self.standing_cost)

    @property
    def cost_per_image(self) -> float | None:
        """Dollars; None without images, too."""
        return None if self.cost is None or not self.images else self.cost / self.images

    def take_share(self, share: float, total: Spending) -> None:
        """Take a share, from 0 to 1, of the time in which the GPUs were on and did not work."""
        self.booting_seconds = share * total.booting_seconds
        self.idle_seconds = share * total.idle_seconds
        self.standing_cost = share * total.standing_cost

    def __add__(self, other: Spending) -> Spending:
        return Spending(
            self.images + other.images,
            self.booting_seconds + other.booting_seconds,
            self.busy_seconds + other.busy_seconds,
            self.idle_seconds + other.idle_seconds,
            add(self.busy_cost, other.busy_cost),
            self.standing_cost + other.standing_cost,
        )


def add(one: float | None, other: float | None) -> float | None:
    """Add two costs; what is not known makes their sum unknown."""
    return None if one is None or other is None else one + other

"""GPU instances on a virtual clock, and what they cost."""

from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.gateways.ec2 import Instance
from chalicelib.services.billing.budget import Budget
from chalicelib.services.billing.prices import cost_of
from tests.virtual.clock import VirtualClock
from tests.virtual.dispatch import Region, World


class PaidRegion(Region):
    """A region that counts how long its instances are on."""

    def __init__(self, clock: VirtualClock, count: int, seconds: float, *, type_: str) -> None:
        super().__init__(clock, count, seconds)
        self.type = type_
        self._on_from: dict[str, float] = {}
        self._paid_seconds = 0.0

    @property
    def cost(self) -> float:
        """Dollars for the time that all instances were on."""
        now = self.clock()
        seconds = self._paid_seconds + sum(now - since for since in self._on_from.values())
        return cost_of(self.type, seconds) or 0

    @property
    def on(self) -> list[str]:
        return [name for name, gpu in self.gpus.items() if gpu.is_on]

    def instances(self) -> list[Instance]:
        return [Instance(each.id, each.state, each.url, self.type) for each in super().instances()]

    def start(self, instance_id: str) -> bool:
        self._on_from.setdefault(instance_id, self.clock())
        return super().start(instance_id)

    def stop(self, instance_id: str, **how: Any) -> None:
        self._paid_seconds += self.clock() - self._on_from.pop(instance_id)
        super().stop(instance_id, **how)


class PaidWorld(World):
    """A world whose instances, which are off at first, have a daily budget."""

    region: PaidRegion

    def __init__(
        self, gpus: int, *, dollars: float, type_: str, clock: VirtualClock, image_seconds: float
    ) -> None:
        super().__init__(gpus, image_seconds=image_seconds, on=False, clock=clock)
        self.region = PaidRegion(clock, gpus, image_seconds, type_=type_)
        self._dollars = dollars

    def function(self) -> Services:
        made = super().function()
        made.budget = Budget(self._dollars, (), self.clock)
        return made

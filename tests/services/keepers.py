"""A keeper over instances that are small enough to see through."""

from typing import Any

from chalicelib.models.instance import InstanceRecord
from chalicelib.services.accounting import Accounting
from chalicelib.services.keeping import Keeper
from chalicelib.services.stopping import Stopping
from tests.gateways.region import Region, fleet_of
from tests.services.fakes import Parts


class Gpus(Region):
    """Instances that run, and whose ComfyUIs answer."""

    def __init__(self, *names: str, can_be_started: bool = True) -> None:
        super().__init__(can_be_started=can_be_started)
        self.states = dict.fromkeys(names, "running")
        self.types = dict.fromkeys(names, "g5.xlarge")
        self.queues = dict.fromkeys(names, 0)

    def fall_sick(self, *names: str, now: float) -> None:
        """Have their ComfyUIs stop working, which an attempt shows."""
        for name in names:
            self.broken.add(f"bad {name}")
            InstanceRecord(name).distrust(f"bad {name}", now=now)

    def stop(self, instance_id: str) -> None:
        super().stop(instance_id)
        self.turn_off(instance_id)

    def turn_off(self, instance_id: str) -> None:
        self.states[instance_id] = "stopped"
        self.queues.pop(instance_id, None)

    def turn_on(self, instance_id: str) -> None:
        self.states[instance_id], self.queues[instance_id] = "running", 0


def keeper_of(gpus: Region, parts: Parts, **how: Any) -> Keeper:
    """Wire a keeper by the clock of `parts`; their jobs go to ComfyUIs of their own."""
    fleet = fleet_of(gpus, clock=parts.clock, dollars=parts.budget.dollars, **how)
    limits = {"idle_stop_seconds": 300, "boot_timeout_seconds": 900, "max_run_seconds": 43_200}
    stopping = Stopping(fleet, Accounting(parts.clock), parts.budget, clock=parts.clock, **limits)
    return Keeper(fleet, parts.dispatch, parts.driver, parts.waker, stopping, parts.clock)


def keep(keeper: Keeper, parts: Parts, *, minutes: int) -> None:
    """Have the keeper come every minute, the first time at once."""
    for _ in range(minutes):
        keeper.keep()
        parts.clock.advance(60)

"""GPU instances on a virtual clock, their ComfyUIs, and what they cost."""

from collections.abc import Sequence
from typing import Any

from chalicelib.errors import ComfyUIUnreachable
from chalicelib.gateways.comfyui.state import Finished, State, Waiting
from chalicelib.gateways.ec2 import Instance
from chalicelib.services.billing.booking import Booking
from chalicelib.services.billing.budget import Budget
from chalicelib.services.billing.prices import cost_of
from chalicelib.services.gpus.fleet import Fleet
from chalicelib.services.gpus.inventory import Inventory
from chalicelib.services.gpus.scaling import Limits
from chalicelib.services.gpus.starter import Starter
from chalicelib.services.gpus.stopper import Stopper
from chalicelib.services.gpus.warm_up import WarmUp
from chalicelib.services.reconciler import Reconciler
from tests.services.fakes import SAVED, FakeComfyUI, Parts
from tests.virtual.clock import VirtualClock

BOOT_SECONDS = 60.0


class Gpu(FakeComfyUI):
    """An instance and the ComfyUI on it, which answers when it has booted."""

    def __init__(self, name: str, clock: VirtualClock, execution_seconds: float) -> None:
        super().__init__()
        self.name, self._clock, self._seconds = name, clock, execution_seconds
        self.on_from: float | None = None
        self.paid_seconds = 0.0
        self._ends_at: dict[str, float] = {}

    def switch(self, *, on: bool) -> None:
        if on and self.on_from is None:
            self.on_from, self._ends_at = self._clock(), {}
        elif not on and self.on_from is not None:
            self.paid_seconds, self.on_from = self.seconds, None

    @property
    def seconds(self) -> float:
        """How long it was on in total."""
        return self.paid_seconds + (self._clock() - (self.on_from or self._clock()))

    def queue_length(self) -> int:
        if self.on_from is None or self._clock() < self.on_from + BOOT_SECONDS:
            raise ComfyUIUnreachable("ComfyUI did not answer")
        return sum(end > self._clock() for end in self._ends_at.values())

    def submit(self, attempt_id: str, graph: dict[str, Any], outputs: Sequence[str]) -> None:
        super().submit(attempt_id, graph, outputs)
        self._ends_at[attempt_id] = max([self._clock(), *self._ends_at.values()]) + self._seconds

    def find(self, attempt_id: str, seconds: float = 5) -> State:
        ends_at = self._ends_at.get(attempt_id)
        if ends_at is None:
            return None
        if ends_at <= self._clock():
            return Finished(SAVED, None, self._seconds)
        return Waiting(sum(self._clock() < each < ends_at for each in self._ends_at.values()))

    def follow(self, attempt_id: str, events: None, *, until: float, report: Any) -> State:
        ends_at = self._ends_at[attempt_id]
        self._clock.sleep(max(min(ends_at, until) - self._clock(), 0.001))
        return self.find(attempt_id)


class PaidRegion:
    """The interface of `GpuFleet`; EC2 starts and stops at once."""

    def __init__(
        self, clock: VirtualClock, count: int, *, type_: str, execution_seconds: float
    ) -> None:
        self.clock, self.type = clock, type_
        names = [f"i-{number}" for number in range(count)]
        self.gpus = {name: Gpu(name, clock, execution_seconds) for name in names}

    @property
    def cost(self) -> float:
        """Dollars for the time that all instances were on."""
        return cost_of(self.type, sum(gpu.seconds for gpu in self.gpus.values())) or 0

    @property
    def on(self) -> list[str]:
        return [name for name, gpu in self.gpus.items() if gpu.on_from is not None]

    def instances(self) -> list[Instance]:
        self.clock.sleep(0.04)
        return [
            Instance(name, "stopped" if gpu.on_from is None else "running", name, type=self.type)
            for name, gpu in self.gpus.items()
        ]

    def start(self, instance_id: str) -> bool:
        self.gpus[instance_id].switch(on=True)
        return True

    def stop(self, instance_id: str) -> None:
        self.gpus[instance_id].switch(on=False)

    def function(self, queue: Any, *, dollars: float) -> tuple[Parts, Reconciler]:
        """Return the services and the reconciler of a new function instance."""
        gateway: Any = self
        budget = Budget(dollars, (), self.clock)
        connect: Any = self.gpus.__getitem__
        fleet = Fleet(
            Inventory(gateway, connect, WarmUp(None, self.clock), self.clock),
            gateway,
            Starter(gateway, (), self.clock, lambda: 0.5),
            Limits(len(self.gpus), 60),
            budget,
            self.clock,
        )
        parts = Parts(clock=self.clock, fleet=fleet, queue=queue, dollars=dollars)
        limits = {
            "idle_stop_seconds": 300,
            "boot_timeout_seconds": 900,
            "max_on_seconds": 43_200,
            "execution_deadline_seconds": 900,
        }
        stopper = Stopper(fleet, Booking(self.clock), budget, clock=self.clock, **limits)
        reconciler = Reconciler(
            fleet, parts.dispatcher, parts.driver, parts.job_messages, stopper, self.clock
        )
        return parts, reconciler

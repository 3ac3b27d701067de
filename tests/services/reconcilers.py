"""A reconciler over fake instances."""

from typing import Any

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.services.gpus.boot_reports import BootReports
from chalicelib.services.gpus.demand import Demand
from chalicelib.services.gpus.queue_snapshots import QueueSnapshots
from chalicelib.services.gpus.stop_reasons import StopLimits
from chalicelib.services.gpus.stopper import Stopper
from chalicelib.services.gpus.stuck import StuckInstances
from chalicelib.services.reconciler import Reconciler
from chalicelib.signals import StoreFailed
from tests.gateways.region import ComfyUI, Region, fleet_of
from tests.services.fakes import Parts

LIMITS = StopLimits(
    idle_seconds=300, boot_seconds=900, max_on_seconds=43_200, execution_deadline_seconds=900
)


class Reports:
    """The reports of instances about their boots; counts the reads."""

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}
        self.is_down = False
        self.reads = 0

    def read(self, instance_id: str) -> bytes | None:
        self.reads += 1
        if self.is_down:
            raise StoreFailed("S3 does not answer")
        return self.texts.get(instance_id)


class Gpus(Region):
    """Running instances whose ComfyUIs answer."""

    def __init__(self, *names: str, can_be_started: bool = True) -> None:
        super().__init__(can_be_started=can_be_started)
        self.states = dict.fromkeys(names, "running")
        self.types = dict.fromkeys(names, "g5.xlarge")
        self.queues = dict.fromkeys(names, 0)
        self.reports = Reports()

    def connect(self, url: str) -> ComfyUI:
        return ComfyUI(self, url)

    def fall_unhealthy(self, *names: str, now: float) -> None:
        """Break the ComfyUIs of these instances, each with an attempt that shows it."""
        for name in names:
            self.broken.add(f"bad {name}")
            InstanceRecord(name).mark_unhealthy_by(f"bad {name}", now=now)

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        super().stop(instance_id, force=force)
        if not force:
            self.turn_off(instance_id)

    def turn_off(self, instance_id: str) -> None:
        self.states[instance_id] = "stopped"
        self.queues.pop(instance_id, None)

    def turn_on(self, instance_id: str) -> None:
        self.states[instance_id], self.queues[instance_id] = "running", 0


def reconciler_of(gpus: Gpus, parts: Parts, **how: Any) -> Reconciler:
    """Return a reconciler of `gpus` on the clock of `parts`, whose jobs run on its own ComfyUIs."""
    clock, budget = parts.clock, parts.budget
    fleet = fleet_of(gpus, clock=clock, dollars=budget.dollars, queue=parts.queue, **how)
    stopper = Stopper(fleet, budget, limits=LIMITS, clock=clock)
    reports: Any = gpus.reports
    return Reconciler(
        stopper,
        parts.overdue_jobs,
        Demand(fleet, parts.messages, clock),
        QueueSnapshots(fleet.inventory, budget, clock, boots=True),
        more=[
            StuckInstances(fleet.inventory, gpus, clock).force,
            BootReports(fleet.inventory, reports, clock).read_new,
        ],
    )


def reconcile(reconciler: Reconciler, parts: Parts, *, minutes: int) -> None:
    """Run the reconciler every minute, the first time at once."""
    for _ in range(minutes):
        reconciler.reconcile()
        parts.clock.advance(60)

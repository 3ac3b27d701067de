"""A simple fake of EC2 instances and their ComfyUIs."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from chalicelib.errors import (
    ComfyUIUnreachable,
    FleetUnreachable,
    NoCapacity,
    StartFailed,
    StartUnknown,
    StopFailed,
    TypeRefused,
    WorkflowRejected,
)
from chalicelib.gateways.comfyui.state import State, Waiting
from chalicelib.gateways.ec2 import Instance
from chalicelib.services.billing.budget import Budget
from chalicelib.services.gpus.fleet import Fleet
from chalicelib.services.gpus.inventory import Inventory, Server
from chalicelib.services.gpus.messages import Messages
from chalicelib.services.gpus.scaling import Limits
from chalicelib.services.gpus.starter import Starter
from chalicelib.services.gpus.status_texts import progress
from chalicelib.services.gpus.warm_up import WarmUp


class Region:
    """The EC2 instances of a fleet and their ComfyUIs; a started instance stays pending."""

    def __init__(self, *states: str, can_be_started: bool = True) -> None:
        self.now = 1000.0
        self.states = {f"i-{number}": state for number, state in enumerate(states)}
        self.can_be_started = can_be_started
        self.queues: dict[str, int] = {}  # of ComfyUIs that answer, by instance
        self.broken: set[str] = set()  # attempts that show that an instance is unhealthy
        self.refusal: StartFailed | None = None
        self.types = dict.fromkeys(self.states, "g5.xlarge")
        self.is_down = False
        self.loses_answers = False
        self.fixed: set[str] = set()  # instances whose type EC2 refuses to change
        self.scarce: set[str] = set()  # types that EC2 has no capacity of
        self.warm_ups: dict[str, State] = {}
        self.rejects_warm_up = False
        self.kept: set[str] = set()
        self.zones: dict[str, str] = {}
        self.launched: dict[str, float] = {}  # when EC2 started each instance
        self.stubborn: set[str] = set()  # instances that EC2 refuses to stop
        self.asked = 0  # requests for the instances, answered or not
        self.describes = 0
        self.reasons: dict[str, str] = {}  # codes of why instances have their states
        self.started: list[str] = []
        self.forced: list[str] = []
        self.stopped: list[str] = []

    def instances(self) -> list[Instance]:
        self.asked += 1
        if self.is_down:
            raise FleetUnreachable("EC2 does not answer", retry_seconds=10)
        self.describes += 1
        return [
            Instance(
                id_,
                state,
                url=id_,
                type=self.types[id_],
                can_be_started=self.can_be_started,
                is_kept=id_ in self.kept,
                launched_at=self.launched.get(id_),
                state_reason=self.reasons.get(id_),
                zone=self.zones.get(id_),
            )
            for id_, state in self.states.items()
        ]

    def change_type(self, instance_id: str, instance_type: str) -> bool:
        if instance_id in self.fixed:
            raise TypeRefused("EC2 refused")
        if self.states[instance_id] != "stopped":
            return False
        self.types[instance_id] = instance_type
        return True

    def start(self, instance_id: str) -> bool:
        self.started.append(instance_id)
        if self.refusal:
            raise self.refusal
        if self.states[instance_id] != "stopped":
            return False
        if self.types[instance_id] in self.scarce:
            raise NoCapacity("EC2 has no capacity right now")
        self.states[instance_id] = "pending"
        if self.loses_answers:
            raise StartUnknown("EC2 did not answer")
        return True

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        if force:
            self.forced.append(instance_id)
            return
        if instance_id in self.stubborn:
            raise StopFailed("EC2 refused")
        self.stopped.append(instance_id)
        self.states[instance_id] = "stopping"


class ComfyUI:
    """A ComfyUI that answers while its region has a queue length for it."""

    def __init__(self, region: Region, url: str) -> None:
        self.region, self.url = region, url

    def queue_length(self) -> int:
        if self.url not in self.region.queues:
            raise ComfyUIUnreachable("ComfyUI did not answer")
        return self.region.queues[self.url]

    def find(self, attempt_id: str) -> State:
        return self.region.warm_ups.get(self.url)

    def submit(self, attempt_id: str, graph: dict[str, Any], outputs: Sequence[str]) -> None:
        if self.region.rejects_warm_up:
            raise WorkflowRejected("no such checkpoint")
        self.region.warm_ups[self.url] = Waiting(0)

    def is_unhealthy(self, attempt_id: str) -> bool:
        return attempt_id in self.region.broken


def fleet_of(
    region: Any,
    *,
    types: Sequence[str] = (),
    fleet_max: int = 1,
    checkpoint: str | None = None,
    clock: Any = None,
    dollars: float | None = None,
    queue: Any = None,
) -> Fleet:
    """Return the fleet of a region, by the region's clock; random numbers are always 0."""
    clock = clock or (lambda: region.now)
    connect: Any = partial(ComfyUI, region)
    return Fleet(
        Inventory(region, connect, WarmUp(checkpoint, clock), clock, in_order),
        region,
        Starter(region, types, clock, lambda: 0),
        Limits(fleet_max, 180),
        Budget(dollars, types, clock),
        Messages(queue or Sent(), clock),
        clock,
    )


def acquire(fleet: Fleet) -> Server:
    """Return the freest GPU that serves; if none does, start one, as a worker does for jobs.

    Raise GpuNotReady, which says what the jobs in the queue are told.
    """
    fleet.inventory.observe()
    if servers := fleet.inventory.serving():
        return servers[0]
    with suppress(StartFailed):
        fleet.scale(least_jobs=1)
    raise progress(fleet.inventory.views(), fleet._clock())


class Sent:
    """Records messages."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def send(self, body: str, *, delay_seconds: int = 0) -> None:
        self.bodies.append(body)


def in_order(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do one work after another."""
    return [work() for work in works]

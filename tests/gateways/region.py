"""EC2 instances and their ComfyUIs, small enough to see through."""

from typing import Any

from chalicelib.errors import ComfyUIUnreachable, StartFailed
from chalicelib.gateways.gpu_fleet import Instance
from chalicelib.services.fleet import Fleet, Server


class Region:
    """The EC2 instances of a fleet and their ComfyUIs; one that is started is pending."""

    def __init__(self, *states: str, can_be_started: bool = True) -> None:
        self.now = 1000.0
        self.states = {f"i-{number}": state for number, state in enumerate(states)}
        self.can_be_started = can_be_started
        self.queues: dict[str, int] = {}  # of those that answer, by id
        self.broken: set[str] = set()  # the attempts that show it
        self.refusal: StartFailed | None = None
        self.describes = 0
        self.started: list[str] = []
        self.stopped: list[str] = []

    def instances(self) -> list[Instance]:
        self.describes += 1
        return [
            Instance(id_, state, url=id_, can_be_started=self.can_be_started)
            for id_, state in self.states.items()
        ]

    def start(self, instance_id: str) -> None:
        self.started.append(instance_id)
        if self.refusal:
            raise self.refusal
        if self.states[instance_id] == "stopped":
            self.states[instance_id] = "pending"

    def stop(self, instance_id: str) -> None:
        self.stopped.append(instance_id)
        self.states[instance_id] = "stopping"


class ComfyUI:
    """One that answers as long as its region says so."""

    def __init__(self, region: Region, url: str) -> None:
        self.region, self.url = region, url

    def queue_length(self) -> int:
        if self.url not in self.region.queues:
            raise ComfyUIUnreachable("ComfyUI did not answer")
        return self.region.queues[self.url]

    def is_sick(self, attempt_id: str) -> bool:
        return attempt_id in self.region.broken


def fleet_of(region: Any) -> Fleet:
    """Make the fleet of a region, by the region's clock."""
    return Fleet(region, lambda url: ComfyUI(region, url), lambda: region.now)


def acquire(fleet: Fleet) -> Server:
    """Take the least busy instance, as a job does."""
    return (fleet.servers() or fleet.ready())[0]

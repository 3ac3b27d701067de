"""The GPU instances: which one can serve now, and what must happen before one can."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chalicelib.config import config
from chalicelib.errors import ComfyUIUnavailable, ComfyUIUnreachable, GpuNotReady, StartFailed
from chalicelib.models.instance import InstanceRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.gateways.comfyui import ComfyUI
    from chalicelib.gateways.gpu_fleet import GpuFleet, Instance, StaticFleet

_DESCRIBE_SECONDS = 5.0  # one EC2 Describe serves all requests of this time
_LOOK_SECONDS = 2
_CAPACITY_SECONDS = 30


class Server(NamedTuple):
    """An instance whose ComfyUI answers, how much it has to do, and what we know of it."""

    instance: Instance
    comfyui: ComfyUI
    queue_length: int
    record: InstanceRecord
    is_sick: bool
    is_draining: bool

    @property
    def serves(self) -> bool:
        return not (self.is_sick or self.is_draining)

    @property
    def free_seats(self) -> int:
        return max(config.gpu_seats - len(self.record.seated), 0)


class Fleet:
    """All instances of one deployment."""

    def __init__(
        self,
        gateway: GpuFleet | StaticFleet,
        connect: Callable[[str], ComfyUI],
        clock: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._connect = connect
        self._clock = clock
        self._members: list[Instance] = []
        self._described_at = float("-inf")

    def members(self, *, max_age_seconds: float = _DESCRIBE_SECONDS) -> list[Instance]:
        """List the instances as EC2 described them at most so long ago."""
        if self._clock() - self._described_at > max_age_seconds:
            self._members = self._gateway.instances()
            self._described_at = self._clock()
        return self._members

    def check(self) -> None:
        """Raise ComfyUIUnavailable when no instance could ever serve a job."""
        members = self.members()
        if not members:
            raise _no_instance()
        if not any(each.can_be_started for each in members) and not self.servers():
            raise _not_answering()

    def answering(self) -> list[Server]:
        """List the instances whose ComfyUI answers, the least busy first, sick ones too."""
        answering = [server for each in self._running() if (server := self._ask(each))]
        return sorted(answering, key=lambda server: server.queue_length)

    def servers(self) -> list[Server]:
        """List the instances that can serve now, the least busy first."""
        return [server for server in self.answering() if server.serves]

    def server(self, instance_id: str) -> Server | None:
        """Return one instance if it can serve now.

        Raise ComfyUIUnreachable when it should, as it runs, and does not answer.
        """
        member = next((each for each in self._running() if each.id == instance_id), None)
        if member is None:
            return None
        server = self._ask(member)
        if server is None:
            raise ComfyUIUnreachable("ComfyUI did not answer")
        return server if server.serves else None

    def ready(self) -> list[Server]:
        """Look anew when none can serve; raise GpuNotReady after doing what brings one nearer."""
        asked = self._running()
        self.members(max_age_seconds=0)
        # Asking one that boots takes a time-out; those that were asked just now are not again.
        if self._running() != asked and (servers := self.servers()):
            return servers
        raise self._not_ready()

    def start(self) -> None:
        """Have an instance running; harmless when one is. Raise StartFailed if EC2 refuses."""
        members = self.members(max_age_seconds=0)
        if not members:
            raise _no_instance()
        if not any(each.state in ("running", "pending") for each in members):
            self._start_one(members)
        elif not any(each.can_be_started for each in members) and not self.servers():
            raise _not_answering()

    def stop(self, instance: Instance) -> None:
        """Stop an instance."""
        self._gateway.stop(instance.id)
        self._described_at = float("-inf")

    def _running(self) -> list[Instance]:
        return [each for each in self.members() if each.state == "running"]

    def _not_ready(self) -> Exception:
        members = self.members()
        states = {each.state for each in members}
        if not members:
            return _no_instance()
        if not any(each.can_be_started for each in members):
            return _not_answering()
        if "running" in states:
            return GpuNotReady("the GPU instance is booting", retry_seconds=_LOOK_SECONDS)
        if "pending" in states:
            return GpuNotReady("the GPU instance is starting", retry_seconds=_LOOK_SECONDS)
        return self._starting(members)

    def _starting(self, members: list[Instance]) -> GpuNotReady:
        try:
            self._start_one(members)
        except StartFailed as refusal:
            return GpuNotReady(f"waiting: {refusal}", retry_seconds=_CAPACITY_SECONDS)
        return GpuNotReady("the GPU instance is starting", retry_seconds=_LOOK_SECONDS)

    def _start_one(self, members: list[Instance]) -> None:
        # A stopping instance stays the candidate when no other is stopped: EC2 refuses it for
        # some seconds, which is harmless, and the next look asks again.
        stopped = [each for each in members if each.state == "stopped"]
        self._gateway.start((stopped or members)[0].id)
        self._described_at = float("-inf")

    def _ask(self, instance: Instance) -> Server | None:
        comfyui = self._connect(instance.url)
        try:
            queue_length = comfyui.queue_length()
            record = InstanceRecord.read(instance.id)
            is_sick = bool(record.suspect) and comfyui.is_sick(record.suspect)
        except ComfyUIUnreachable:
            return None
        is_draining = (record.draining_until or 0) > self._clock()
        return Server(instance, comfyui, queue_length, record, is_sick, is_draining)


def _no_instance() -> ComfyUIUnavailable:
    return ComfyUIUnavailable(
        "there is no GPU instance",
        suggestion="Tag an EC2 instance that runs ComfyUI for this fleet, or set COMFYUI_URL",
    )


def _not_answering() -> ComfyUIUnavailable:
    return ComfyUIUnavailable(
        "ComfyUI does not answer at the configured address",
        suggestion="Check if ComfyUI is running and COMFYUI_URL is right",
    )

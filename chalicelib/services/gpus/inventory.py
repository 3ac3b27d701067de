"""The inventory: which instances there are, the state of each, and which can serve now."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.config import config
from chalicelib.errors import ComfyUIUnavailable, ComfyUIUnreachable, FleetUnreachable
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.services.gpus.state import STARTING, state_of
from chalicelib.services.gpus.warm_up import WarmUp

if TYPE_CHECKING:
    from chalicelib.gateways.comfyui.client import ComfyUI
    from chalicelib.gateways.ec2 import GpuFleet, Instance, StaticFleet

log = logging.getLogger("darkroom.inventory")

_DESCRIBE_SECONDS = 5.0  # one DescribeInstances serves all requests of this time
_STALE_SECONDS = 120
_OLD_SECONDS = 600
_SILENT_SECONDS = 1.0  # asking a booting ComfyUI takes a timeout; it is not asked again sooner


class Inventory:
    """Observes all instances of one deployment."""

    def __init__(
        self,
        gateway: GpuFleet | StaticFleet,
        connect: Callable[[str], ComfyUI],
        warm_up: WarmUp,
        clock: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._connect = connect
        self._warm_up = warm_up
        self._clock = clock
        self._members: list[Instance] = []
        self._described_at = float("-inf")
        self._is_known = False  # whether EC2 has ever answered
        self._unreachable_since: float | None = None
        self._silence: FleetUnreachable | None = None
        self._silent_at: dict[str, float] = {}

    def members(self, *, max_age_seconds: float = _DESCRIBE_SECONDS) -> list[Instance]:
        """List the instances as EC2 described them at most `max_age_seconds` ago.

        While EC2 does not answer, its last answer counts for two more minutes; then raise
        FleetUnreachable.
        """
        if self._clock() - self._described_at > max_age_seconds:
            self._describe()
        if self._silence:
            raise FleetUnreachable(str(self._silence), retry_seconds=self._silence.retry_seconds)
        return self._members

    def _describe(self) -> None:
        try:
            self._members, self._silence = self._gateway.instances(), None
            self._unreachable_since, self._is_known = None, True
        except FleetUnreachable as silence:
            # Instances that serve keep serving while EC2's API is down.
            now = self._clock()
            self._unreachable_since = (
                now if self._unreachable_since is None else self._unreachable_since
            )
            is_stale = not self._is_known or now - self._unreachable_since > _STALE_SECONDS
            self._silence = silence if is_stale else None
        self._described_at = self._clock()  # read again, as a timeout may have passed

    def check(self) -> None:
        """Raise ComfyUIUnavailable if no instance can ever serve a job; pass if EC2 is down.

        The number of instances rarely changes: while one can serve, EC2 is asked once in ten
        minutes.
        """
        with suppress(FleetUnreachable):
            try:
                self.usable(max_age_seconds=_OLD_SECONDS)
            except ComfyUIUnavailable:
                if self._clock() - self._described_at <= _DESCRIBE_SECONDS:
                    raise
                self.usable()

    def expire(self) -> None:
        """Ask EC2 again at the next look, as an instance was started or stopped."""
        self._described_at = float("-inf")

    def views(self, *, max_age_seconds: float = _DESCRIBE_SECONDS) -> list[InstanceView]:
        """Return the state of every instance, and write nothing."""
        return self._views(self._look_at, max_age_seconds)

    def observe(self, *, max_age_seconds: float = _DESCRIBE_SECONDS) -> list[InstanceView]:
        """Return the state of every instance, and store which of them answer and are ready.

        Warm up those that have just booted.
        """
        return self._views(self._ask, max_age_seconds)

    def observe_serving(self) -> list[Server]:
        """List the instances that can serve now, the shortest queue first."""
        answering = [server for each in self.running() if (server := self._ask(each))]
        serving = [server for server in answering if server.serves]
        return sorted(serving, key=lambda server: server.queue_length)

    def observe_server(self, instance_id: str) -> Server | None:
        """Return an instance if it can continue with its jobs, even if it takes no new ones.

        Raise ComfyUIUnreachable if it runs and does not answer.
        """
        member = next((each for each in self.running() if each.id == instance_id), None)
        if member is None:
            return None
        server = self._ask(member)
        if server is None:
            raise ComfyUIUnreachable("ComfyUI did not answer")
        return server if server.is_ready and not server.is_unhealthy else None

    def running(self) -> list[Instance]:
        """List the instances that run, as EC2 described them."""
        return [each for each in self.members() if each.state == "running"]

    def usable(self, *, max_age_seconds: float = _DESCRIBE_SECONDS) -> list[Instance]:
        """List the instances; raise ComfyUIUnavailable if none can ever serve a job."""
        members = self.members(max_age_seconds=max_age_seconds)
        if not members:
            log.error("no EC2 instance has the tag of the fleet, and COMFYUI_URL is empty")
            raise ComfyUIUnavailable("there is no GPU instance")
        if not any(each.can_be_started for each in members) and not self.observe_serving():
            log.error("no ComfyUI answers at COMFYUI_URL, and Darkroom cannot start one")
            raise ComfyUIUnavailable("ComfyUI does not answer")
        return members

    def _views(
        self, ask: Callable[[Instance], Server | None], max_age_seconds: float
    ) -> list[InstanceView]:
        members = self.members(max_age_seconds=max_age_seconds)
        has_capacity = not StartSeries.read(now=self._clock()).failed
        return [self._view(each, ask, has_capacity=has_capacity) for each in members]

    def _view(
        self, instance: Instance, ask: Callable[[Instance], Server | None], *, has_capacity: bool
    ) -> InstanceView:
        server = ask(instance) if instance.state == "running" else None
        record = server.record if server else InstanceRecord.read(instance.id)
        state = state_of(instance, record, server, now=self._clock(), has_capacity=has_capacity)
        return InstanceView(instance, record, server, state)

    def _ask(self, instance: Instance) -> Server | None:
        """Ask an instance's ComfyUI, and store whether it answers and is ready."""
        was_silent_at = self._silent_at.get(instance.id, float("-inf"))
        if instance.can_be_started and self._clock() - was_silent_at < _SILENT_SECONDS:
            return None
        try:
            server = self._server(instance)
            if not server.is_ready:
                is_ready = self._warm_up.go_on(server.comfyui, server.record)
                server = server._replace(is_ready=is_ready)
            server.record.answered()
        except ComfyUIUnreachable:
            self._silent_at[instance.id] = self._clock()
            InstanceRecord(instance.id).become_unreachable(now=self._clock())
            return None
        return server

    def _look_at(self, instance: Instance) -> Server | None:
        try:
            return self._server(instance)
        except ComfyUIUnreachable:
            return None

    def _server(self, instance: Instance) -> Server:
        comfyui = self._connect(instance.url)
        queue_length = comfyui.queue_length()
        record, now = InstanceRecord.read(instance.id), self._clock()
        attempt = record.unhealthy_attempt
        is_unhealthy = bool(attempt) and comfyui.is_unhealthy(attempt)
        is_draining = (record.draining_until or 0) > now or record.is_past_budget(now)
        is_ready = not instance.can_be_started or record.ready_at is not None
        return Server(instance, comfyui, queue_length, record, is_unhealthy, is_draining, is_ready)


class Server(NamedTuple):
    """An instance whose ComfyUI answers."""

    instance: Instance
    comfyui: ComfyUI
    queue_length: int
    record: InstanceRecord
    is_unhealthy: bool = False
    is_draining: bool = False
    is_ready: bool = True

    @property
    def serves(self) -> bool:
        return self.is_ready and not (self.is_unhealthy or self.is_draining)

    @property
    def free_slots(self) -> int:
        return max(config.slots_per_gpu - len(self.record.slot_holders), 0)


class InstanceView(NamedTuple):
    """An instance and its state; `server` is None if it is off or its ComfyUI does not answer."""

    instance: Instance
    record: InstanceRecord
    server: Server | None
    state: str

    @property
    def is_on(self) -> bool:
        """Whether it costs money. EC2 still describes one that was just started as stopped."""
        return self.instance.state in ("running", "pending") or self.state == STARTING

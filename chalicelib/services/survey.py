"""Looking at the GPU instances: which ones there are, what they do, and which can serve now."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.errors import ComfyUIUnavailable, ComfyUIUnreachable, FleetUnreachable
from chalicelib.models.instance import InstanceRecord
from chalicelib.models.start_series import StartSeries
from chalicelib.services.instance_state import state_of
from chalicelib.services.outlook import no_instance, not_answering
from chalicelib.services.server import Seen, Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.gateways.comfyui import ComfyUI
    from chalicelib.gateways.gpu_fleet import GpuFleet, Instance, StaticFleet
    from chalicelib.services.readiness import Readiness

_DESCRIBE_SECONDS = 5.0  # one EC2 Describe serves all requests of this time
_STALE_SECONDS = 120
_OLD_SECONDS = 600
_SILENT_SECONDS = 1.0  # asking one that boots takes a time-out; it is not asked again so soon


class Survey:
    """What can be seen of all instances of one deployment."""

    def __init__(
        self,
        gateway: GpuFleet | StaticFleet,
        connect: Callable[[str], ComfyUI],
        readiness: Readiness,
        clock: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._connect = connect
        self._readiness = readiness
        self._clock = clock
        self._members: list[Instance] = []
        self._described_at = float("-inf")
        self._is_known = False  # whether EC2 has ever answered
        self._silent_since: float | None = None
        self._silence: FleetUnreachable | None = None
        self._silent_at: dict[str, float] = {}

    def members(self, *, max_age_seconds: float = _DESCRIBE_SECONDS) -> list[Instance]:
        """List the instances as EC2 described them at most so long ago.

        While EC2 does not answer, the last answer counts for two minutes more; then raise
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
            self._silent_since, self._is_known = None, True
        except FleetUnreachable as silence:
            # What serves goes on serving while EC2's API is down.
            now = self._clock()
            self._silent_since = now if self._silent_since is None else self._silent_since
            is_stale = not self._is_known or now - self._silent_since > _STALE_SECONDS
            self._silence = silence if is_stale else None
        self._described_at = self._clock()  # a time-out has passed, perhaps

    def check(self) -> None:
        """Raise ComfyUIUnavailable when no instance could ever serve a job, as far as EC2 tells.

        How many instances there are changes seldom: where one could serve, EC2 is asked once in
        ten minutes.
        """
        with suppress(FleetUnreachable):
            try:
                self._some(max_age_seconds=_OLD_SECONDS)
            except ComfyUIUnavailable:
                if self._clock() - self._described_at <= _DESCRIBE_SECONDS:
                    raise
                self._some()

    def survey(self, *, max_age_seconds: float = _DESCRIBE_SECONDS) -> list[Seen]:
        """Look at every instance: EC2, its ComfyUI, and what we know of it."""
        members = self.members(max_age_seconds=max_age_seconds)
        has_capacity = not StartSeries.read(now=self._clock()).failed
        return [self._look(each, has_capacity=has_capacity) for each in members]

    def servers(self) -> list[Server]:
        """List the instances that can serve now, the least busy first."""
        answering = [server for each in self._running() if (server := self._ask(each))]
        serving = [server for server in answering if server.serves]
        return sorted(serving, key=lambda server: server.queue_length)

    def server(self, instance_id: str) -> Server | None:
        """Return one instance if it can go on with what it has; it may take nothing new.

        Raise ComfyUIUnreachable when it should, as it runs, and does not answer.
        """
        member = next((each for each in self._running() if each.id == instance_id), None)
        if member is None:
            return None
        server = self._ask(member)
        if server is None:
            raise ComfyUIUnreachable("ComfyUI did not answer")
        return server if server.is_ready and not server.is_sick else None

    def _running(self) -> list[Instance]:
        return [each for each in self.members() if each.state == "running"]

    def _some(self, *, max_age_seconds: float = _DESCRIBE_SECONDS) -> list[Instance]:
        """List the instances; raise ComfyUIUnavailable when none could ever serve a job."""
        members = self.members(max_age_seconds=max_age_seconds)
        if not members:
            raise no_instance()
        if not any(each.can_be_started for each in members) and not self.servers():
            raise not_answering()
        return members

    def _look(self, instance: Instance, *, has_capacity: bool) -> Seen:
        server = self._ask(instance) if instance.state == "running" else None
        record = server.record if server else InstanceRecord.read(instance.id)
        state = state_of(instance, record, server, now=self._clock(), has_capacity=has_capacity)
        return Seen(instance, record, server, state)

    def _ask(self, instance: Instance) -> Server | None:
        was_silent_at = self._silent_at.get(instance.id, float("-inf"))
        if instance.can_be_started and self._clock() - was_silent_at < _SILENT_SECONDS:
            return None
        comfyui = self._connect(instance.url)
        try:
            queue_length = comfyui.queue_length()
            record = InstanceRecord.read(instance.id)
            is_sick = bool(record.suspect) and comfyui.is_sick(record.suspect)
            is_ready = not instance.can_be_started or self._readiness.is_ready(comfyui, record)
            record.answered()
        except ComfyUIUnreachable:
            self._silent_at[instance.id] = self._clock()
            InstanceRecord(instance.id).fall_silent(now=self._clock())
            return None
        now = self._clock()
        is_draining = (record.draining_until or 0) > now or record.is_unpaid(now)
        return Server(instance, comfyui, queue_length, record, is_sick, is_draining, is_ready)

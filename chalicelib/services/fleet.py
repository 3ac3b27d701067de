"""The GPU instances: which ones can serve now, and what must happen before one can."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.errors import ComfyUIUnreachable, GpuNotReady, NoCapacity, StartFailed
from chalicelib.models import line
from chalicelib.models.instance import InstanceRecord
from chalicelib.models.start_series import StartSeries
from chalicelib.services.instance_state import COMING, state_of
from chalicelib.services.outlook import no_instance, not_answering, progress, run_seconds
from chalicelib.services.scaling import wanted
from chalicelib.services.server import Seen, Server
from chalicelib.services.starting import refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.gateways.comfyui import ComfyUI
    from chalicelib.gateways.gpu_fleet import GpuFleet, Instance, StaticFleet
    from chalicelib.services.readiness import Readiness
    from chalicelib.services.scaling import Limits
    from chalicelib.services.starting import Starter

log = logging.getLogger("darkroom.fleet")

_DESCRIBE_SECONDS = 5.0  # one EC2 Describe serves all requests of this time
_SILENT_SECONDS = 1.0  # asking one that boots takes a time-out; it is not asked again so soon
_GROW_SECONDS = 10
_RECLAIM_SECONDS = 300  # EC2 gives notice two minutes before
_MOST_COUNTED = 1000  # of the line; no fleet is so large that more would matter


class Fleet:
    """All instances of one deployment."""

    def __init__(
        self,
        gateway: GpuFleet | StaticFleet,
        connect: Callable[[str], ComfyUI],
        readiness: Readiness,
        starter: Starter,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._connect = connect
        self._readiness = readiness
        self._starter = starter
        self._limits = limits
        self._clock = clock
        self._members: list[Instance] = []
        self._described_at = float("-inf")
        self._grown_at = float("-inf")
        self._silent_at: dict[str, float] = {}

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
            raise no_instance()
        if not any(each.can_be_started for each in members) and not self.servers():
            raise not_answering()

    def survey(self, *, max_age_seconds: float = _DESCRIBE_SECONDS) -> list[Seen]:
        """Look at every instance: EC2, its ComfyUI, and what we know of it."""
        members = self.members(max_age_seconds=max_age_seconds)
        has_capacity = not StartSeries.read().failed
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

    def ready(self) -> list[Server]:
        """Look anew when none can serve; raise GpuNotReady after doing what brings one nearer."""
        asked = self._running()
        self.members(max_age_seconds=0)
        if self._running() != asked and (servers := self.servers()):
            return servers
        raise self._not_ready()

    def start(self) -> None:
        """Have an instance running; harmless when one is. Raise StartFailed if EC2 refuses."""
        members = self.members(max_age_seconds=0)
        if not members:
            raise no_instance()
        if not any(each.can_be_started for each in members) and not self.servers():
            raise not_answering()
        if any(each.state in ("running", "pending") for each in members):
            return
        try:
            self._starter.start(self._startable(self.survey()), 1)
        except GpuNotReady as wait:
            if why := refusal_of(StartSeries.read()):
                raise NoCapacity(why) from wait
        finally:
            self._described_at = float("-inf")

    def scale(self, *, least_jobs: int = 0) -> None:
        """Start as many instances as the open jobs deserve, as far as EC2 and `FLEET_MAX` allow."""
        seen = self.survey()
        seated = sum(len(each.record.seated) for each in seen)
        open_jobs = max(line.length(_MOST_COUNTED) + seated, least_jobs)
        want = wanted(open_jobs, run_seconds(seen), self._limits)
        missing = want - sum(each.state in COMING for each in seen)
        stopped = self._startable(seen)
        if missing <= 0 or not stopped:
            return
        try:
            self._starter.start(stopped, missing)
        except (GpuNotReady, StartFailed) as refusal:
            log.info("no more GPUs: %s", refusal)
        self._described_at = float("-inf")

    def grow(self) -> None:
        """Do the same for a job that waits for its turn; many may ask, and often."""
        is_due = self._clock() - self._grown_at > _GROW_SECONDS
        if self._limits.fleet_max > 1 and is_due:
            self._grown_at = self._clock()
            with suppress(GpuNotReady):  # EC2 does not tell; the keeper looks too
                self.scale()

    def reclaim(self, instance_id: str) -> None:
        """Give an instance that EC2 takes back no more jobs; other instances are not ours."""
        if any(each.id == instance_id for each in self.members(max_age_seconds=0)):
            log.warning("EC2 takes a GPU instance back", extra={"instance_id": instance_id})
            until = self._clock() + _RECLAIM_SECONDS
            InstanceRecord(instance_id).reclaim("EC2 takes it back", until=until)

    def stop(self, instance: Instance) -> None:
        """Stop an instance."""
        self._gateway.stop(instance.id)
        self._described_at = float("-inf")

    def _running(self) -> list[Instance]:
        return [each for each in self.members() if each.state == "running"]

    def _startable(self, seen: list[Seen]) -> list[Instance]:
        """List what is stopped and healthy, else what is about to be stopped."""
        by_state = {
            state: [each.instance for each in seen if each.instance.state == state]
            for state in ("stopped", "stopping")
        }
        ill = {
            each.instance.id for each in seen if (each.record.unhealthy_until or 0) > self._clock()
        }
        healthy = [each for each in by_state["stopped"] if each.id not in ill]
        return healthy or [each for each in by_state["stopping"] if each.id not in ill]

    def _not_ready(self) -> Exception:
        members = self.members()
        if not members:
            return no_instance()
        if not any(each.can_be_started for each in members):
            return not_answering()
        self.scale(least_jobs=1)
        return progress(self.survey(), self._clock())

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
        except ComfyUIUnreachable:
            self._silent_at[instance.id] = self._clock()
            return None
        is_draining = (record.draining_until or 0) > self._clock()
        return Server(instance, comfyui, queue_length, record, is_sick, is_draining, is_ready)

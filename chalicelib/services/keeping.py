"""What happens every minute: jobs that nobody drives are re-armed, a useless GPU is stopped."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from chalicelib.errors import LeaseLost
from chalicelib.models.instance import InstanceRecord
from chalicelib.models.job_listing import count_open, newest, overdue

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.gateways.gpu_fleet import Instance
    from chalicelib.services.fleet import Fleet, Server
    from chalicelib.services.generation import Generation

log = logging.getLogger("darkroom.keeping")

BUSY, IDLE, SILENT = "busy", "idle", "silent"

_OVERDUE_SECONDS = 30  # messages may be some seconds late without being lost


class Keeper:
    """Repairs what drivers left, and turns the GPU off."""

    def __init__(
        self,
        fleet: Fleet,
        generation: Generation,
        *,
        idle_stop_seconds: int,
        boot_timeout_seconds: int,
        clock: Callable[[], float],
    ) -> None:
        self._fleet = fleet
        self._generation = generation
        self._idle_stop_seconds = idle_stop_seconds
        self._boot_timeout_seconds = boot_timeout_seconds
        self._clock = clock

    def keep(self) -> None:
        """Do one round."""
        self._sweep()
        self._stop_useless()

    def _sweep(self) -> None:
        for job in overdue(self._clock() - _OVERDUE_SECONDS):
            try:
                job.rearm(now=self._clock())
            except LeaseLost:
                continue
            log.warning("nobody drove a job", extra={"job_id": job.id})
            self._generation.wake(job)

    def _stop_useless(self) -> None:
        """Stop instances that had no work for long enough, or whose ComfyUI never answers."""
        servers = {server.instance.id: server for server in self._fleet.servers()}
        for instance in self._fleet.members():
            if instance.state == "running" and instance.can_be_started and not instance.is_kept:
                doing = self._doing(servers.get(instance.id))
                since = InstanceRecord.note(instance.id, doing, now=self._clock())
                self._stop_if_long(instance, doing, since)

    def _doing(self, server: Server | None) -> str:
        if server is None:
            return SILENT
        return BUSY if server.queue_length or any(count_open().values()) else IDLE

    def _stop_if_long(self, instance: Instance, doing: str, since: float) -> None:
        limits = {IDLE: self._idle_stop_seconds, SILENT: self._boot_timeout_seconds}
        if doing == IDLE:
            # Work that came and went between two rounds was not seen.
            since = max([since, *(job.finished_at or 0 for job in newest(1))])
        if doing in limits and self._clock() - since >= limits[doing]:
            extra = {"instance_id": instance.id, "seconds": self._clock() - since}
            log.warning("stopping a GPU instance that is %s", doing, extra=extra)
            self._fleet.stop(instance)

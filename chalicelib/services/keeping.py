"""What happens every minute: jobs that nobody drives are re-armed, an idle GPU is stopped."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from chalicelib.errors import LeaseLost
from chalicelib.models.instance import InstanceRecord
from chalicelib.models.job_listing import count_open, newest, overdue

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.gateways.gpu_fleet import Instance
    from chalicelib.services.fleet import Fleet
    from chalicelib.services.generation import Generation

log = logging.getLogger("darkroom.keeping")

_OVERDUE_SECONDS = 30  # messages may be some seconds late without being lost


class Keeper:
    """Repairs what drivers left, and turns the GPU off."""

    def __init__(
        self,
        fleet: Fleet,
        generation: Generation,
        *,
        idle_stop_seconds: int,
        clock: Callable[[], float],
    ) -> None:
        self._fleet = fleet
        self._generation = generation
        self._idle_stop_seconds = idle_stop_seconds
        self._clock = clock

    def keep(self) -> None:
        """Do one round."""
        self._sweep()
        self._stop_idle()

    def _sweep(self) -> None:
        for job in overdue(self._clock() - _OVERDUE_SECONDS):
            try:
                job.rearm(now=self._clock())
            except LeaseLost:
                continue
            log.warning("nobody drove a job", extra={"job_id": job.id})
            self._generation.wake(job)

    def _stop_idle(self) -> None:
        """Stop every instance that was seen without work for long enough."""
        is_backlog = any(count_open().values())
        for server in self._fleet.servers():
            is_idle = not (is_backlog or server.queue_length or server.instance.is_kept)
            since = InstanceRecord.note(server.instance.id, is_idle=is_idle, now=self._clock())
            if is_idle and server.instance.can_be_started:
                self._stop_if_long_idle(server.instance, since)

    def _stop_if_long_idle(self, instance: Instance, idle_since: float) -> None:
        # Work that came and went between two rounds was not seen.
        finished = max((job.finished_at or 0 for job in newest(1)), default=0)
        if self._clock() - max(idle_since, finished) >= self._idle_stop_seconds:
            log.info("stopping an idle GPU instance", extra={"instance_id": instance.id})
            self._fleet.stop(instance)

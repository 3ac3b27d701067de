"""What happens every minute: jobs that nobody drives are re-armed, a useless GPU is stopped."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from chalicelib.errors import JobBusy, JobFinished, LeaseLost
from chalicelib.models.instance import InstanceRecord
from chalicelib.models.job_listing import count_open, newest, overdue

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.gateways.gpu_fleet import Instance
    from chalicelib.models.job import Job
    from chalicelib.services.dispatching import Dispatch
    from chalicelib.services.driving import Driver
    from chalicelib.services.fleet import Fleet, Server
    from chalicelib.services.waking import Waker

log = logging.getLogger("darkroom.keeping")

BUSY, IDLE, SILENT, SICK = "busy", "idle", "silent", "sick"

_OVERDUE_SECONDS = 30  # messages may be some seconds late without being lost


class Keeper:
    """Repairs what drivers left, and turns the GPU off."""

    def __init__(
        self,
        fleet: Fleet,
        dispatch: Dispatch,
        driver: Driver,
        waker: Waker,
        *,
        idle_stop_seconds: int,
        boot_timeout_seconds: int,
        clock: Callable[[], float],
    ) -> None:
        self._fleet = fleet
        self._dispatch = dispatch
        self._driver = driver
        self._waker = waker
        self._limits = {IDLE: idle_stop_seconds, SILENT: boot_timeout_seconds, SICK: 0}
        self._clock = clock

    def keep(self) -> None:
        """Do one round; what goes wrong with one thing is no reason to leave the others."""
        for chore in (self._sweep, self._dispatch.repair, self._stop_useless):
            try:
                chore()
            except Exception:
                log.exception("a chore failed; it is done again in a minute")

    def _sweep(self) -> None:
        for job in overdue(self._clock() - _OVERDUE_SECONDS):
            log.warning("nobody drove a job", extra={"job_id": job.id})
            try:
                self._rescue(job)
            except (JobBusy, JobFinished, LeaseLost):
                continue

    def _rescue(self, job: Job) -> None:
        """Have a worker go on; what is past its deadline ends here, workers or not."""
        if self._clock() >= job.deadline_at:
            return self._driver.advance(job, until=self._clock())
        job.rearm(now=self._clock())
        return self._waker.wake(job.id, at=self._clock())

    def _stop_useless(self) -> None:
        """Stop instances that had no work for long enough, or whose ComfyUI is of no use."""
        servers = {server.instance.id: server for server in self._fleet.answering()}
        for instance in self._fleet.members():
            if instance.state == "running" and instance.can_be_started and not instance.is_kept:
                doing = self._doing(servers.get(instance.id))
                record = InstanceRecord.read(instance.id)
                self._stop_if_long(instance, doing, record.note(doing, now=self._clock()))

    def _doing(self, server: Server | None) -> str:
        if server is None:
            return SILENT
        if server.is_sick:
            return SICK
        return BUSY if server.queue_length or any(count_open().values()) else IDLE

    def _stop_if_long(self, instance: Instance, doing: str, since: float) -> None:
        if doing == IDLE:
            # Work that came and went between two rounds was not seen.
            since = max([since, *(job.finished_at or 0 for job in newest(1))])
        if doing in self._limits and self._clock() - since >= self._limits[doing]:
            extra = {"instance_id": instance.id, "seconds": self._clock() - since}
            log.warning("stopping a GPU instance that is %s", doing, extra=extra)
            self._fleet.stop(instance)

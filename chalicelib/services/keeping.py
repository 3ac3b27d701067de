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

_OVERDUE_SECONDS = 10  # messages may be some seconds late without being lost
_SWEEP_SECONDS = 30  # of the minute; what is left is found in the next one

# A run that is interrupted while it loads a checkpoint ends when that is done; until then its
# ComfyUI looks as if it did not work.
_SICK_SECONDS = 30
_DRAIN_SECONDS = 30  # longer than it takes EC2 to say that an instance stops


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
        self._limits = {IDLE: idle_stop_seconds, SILENT: boot_timeout_seconds, SICK: _SICK_SECONDS}
        self._clock = clock

    def keep(self) -> None:
        """Do one round; what goes wrong with one thing is no reason to leave the others.

        Raise the last error at the end, so that the function's alarm tells.
        """
        failed: Exception | None = None
        # The sweep comes first: what the repair makes due anew does not look overdue any more.
        for chore in (self._sweep, self._dispatch.repair, self._stop_useless):
            try:
                chore()
            except Exception as error:
                log.exception("a chore failed; it is done again in a minute")
                failed = error
        if failed:
            raise failed

    def _sweep(self) -> None:
        until = self._clock() + _SWEEP_SECONDS
        for job in overdue(self._clock() - _OVERDUE_SECONDS):
            if self._clock() > until:
                break
            log.warning("nobody drove a job", extra={"job_id": job.id})
            try:
                self._rescue(job)
            except (JobBusy, JobFinished, LeaseLost):
                continue
            except Exception:
                log.exception("a job could not be rescued", extra={"job_id": job.id})

    def _rescue(self, job: Job) -> None:
        """Have a worker go on; what is past its deadline ends here, workers or not."""
        if self._clock() >= job.deadline_at:
            return self._driver.advance(job, until=self._clock())
        job.rearm(now=self._clock())
        return self._waker.wake(job.id, at=self._clock())

    def _stop_useless(self) -> None:
        """Stop instances that had no work for long enough, or whose ComfyUI is of no use."""
        servers = {server.instance.id: server for server in self._fleet.answering()}
        has_jobs = any(count_open().values())
        failed: Exception | None = None
        for instance in self._fleet.members():
            if instance.state != "running" or not instance.can_be_started or instance.is_kept:
                continue
            try:
                self._judge(instance, servers.get(instance.id), has_jobs=has_jobs)
            except Exception as error:
                log.exception("not stopped", extra={"instance_id": instance.id})
                failed = error
        if failed:
            raise failed

    def _judge(self, instance: Instance, server: Server | None, *, has_jobs: bool) -> None:
        record = server.record if server else InstanceRecord.read(instance.id)
        doing = _doing(server, has_jobs=has_jobs)
        if record.suspect and server and doing != SICK:
            record.trust()
        self._stop_if_long(instance, record, doing)

    def _stop_if_long(self, instance: Instance, record: InstanceRecord, doing: str) -> None:
        now = self._clock()
        since = record.note(doing, now=now)
        if doing == SICK:
            since = float(record.suspected_at or since)
        if doing == IDLE:
            # Work that came and went between two rounds was not seen.
            since = max([since, *(job.finished_at or 0 for job in newest(1))])
        if doing not in self._limits or now - since < self._limits[doing]:
            return
        # A job that was seated in this very moment has the instance go on.
        if doing == IDLE and not record.drain(until=now + _DRAIN_SECONDS):
            return
        extra = {"instance_id": instance.id, "seconds": now - since}
        log.warning("stopping a GPU instance that is %s", doing, extra=extra)
        self._fleet.stop(instance)


def _doing(server: Server | None, *, has_jobs: bool) -> str:
    if server is None:
        return SILENT
    if server.is_sick:
        return SICK
    return BUSY if server.queue_length or has_jobs else IDLE

"""The reconciler: every minute it stops and starts instances and makes stalled jobs due."""

import logging
from collections.abc import Callable, Sequence

from chalicelib.errors import JobFinished
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import overdue
from chalicelib.services.gpus.dispatcher import Dispatcher
from chalicelib.services.gpus.fleet import Fleet
from chalicelib.services.gpus.stopper import Stopper
from chalicelib.services.jobs.driver import Driver
from chalicelib.services.jobs.messages import JobMessages
from chalicelib.signals import JobBusy, LeaseLost

log = logging.getLogger("darkroom.reconciler")

_OVERDUE_SECONDS = 10  # messages may be some seconds late without being lost
_SWEEP_SECONDS = 30  # of the minute; the next round finds the jobs that are left


class Reconciler:
    def __init__(
        self,
        fleet: Fleet,
        dispatcher: Dispatcher,
        driver: Driver,
        job_messages: JobMessages,
        stopper: Stopper,
        clock: Callable[[], float],
        *,
        more: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._fleet = fleet
        self._dispatcher = dispatcher
        self._driver = driver
        self._job_messages = job_messages
        self._stopper = stopper
        self._clock = clock
        self._more = more

    def reconcile(self) -> None:
        """Do one round, with the steps of other services (`more`) at its end.

        If one step fails, the others are still done. Raise the last error at the end, so that the
        function's alarm fires.
        """
        failed: Exception | None = None
        # First what costs most if time runs out: a GPU that is on. The sweep precedes the repair,
        # because jobs that the repair makes due no longer look overdue.
        steps = (
            self._stopper.stop_unneeded,
            self._sweep,
            self._dispatcher.repair,
            self._fleet.scale,
            *self._more,
        )
        for step in steps:
            try:
                step()
            except Exception as error:
                log.exception("a step of the reconciler failed; it is repeated in a minute")
                failed = error
        if failed:
            raise failed

    def _sweep(self) -> None:
        until = self._clock() + _SWEEP_SECONDS
        for job in overdue(self._clock() - _OVERDUE_SECONDS):
            if self._clock() > until:
                break
            log.warning("a job was stalled", extra={"job_id": job.id})
            try:
                self._go_on(job)
            except (JobBusy, JobFinished, LeaseLost):
                continue
            except Exception:
                log.exception(
                    "a stalled job could be neither made due nor ended", extra={"job_id": job.id}
                )

    def _go_on(self, job: Job) -> None:
        """Make a job due for a worker; end one that is past its deadline here."""
        if self._clock() >= job.deadline_at:
            return self._driver.advance(job, until=self._clock())
        return self._job_messages.make_due(job)

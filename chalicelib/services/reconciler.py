"""What happens every minute: stalled jobs are made due, a GPU without work is stopped."""

import logging
from collections.abc import Callable

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
_SWEEP_SECONDS = 30  # of the minute; what is left is found in the next one


class Reconciler:
    """Repairs what drivers left, and turns the GPU off."""

    def __init__(
        self,
        fleet: Fleet,
        dispatcher: Dispatcher,
        driver: Driver,
        job_messages: JobMessages,
        stopper: Stopper,
        clock: Callable[[], float],
    ) -> None:
        self._fleet = fleet
        self._dispatcher = dispatcher
        self._driver = driver
        self._job_messages = job_messages
        self._stopper = stopper
        self._clock = clock

    def reconcile(self) -> None:
        """Do one round; what goes wrong with one thing is no reason to leave the others.

        Raise the last error at the end, so that the function's alarm tells.
        """
        failed: Exception | None = None
        # First what costs most when time runs out: a GPU that is on. The sweep comes before the
        # repair, as what that makes due anew does not look overdue any more.
        chores = (
            self._stopper.stop_unneeded,
            self._sweep,
            self._dispatcher.repair,
            self._fleet.scale,
        )
        for chore in chores:
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
                self._go_on(job)
            except (JobBusy, JobFinished, LeaseLost):
                continue
            except Exception:
                log.exception("a job could not be made due", extra={"job_id": job.id})

    def _go_on(self, job: Job) -> None:
        """Have a worker go on; what is past its deadline ends here, workers or not."""
        if self._clock() >= job.deadline_at:
            return self._driver.advance(job, until=self._clock())
        return self._job_messages.make_due(job)

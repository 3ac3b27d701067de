"""The reconciler: every minute it stops and starts instances, and repairs what fell through."""

import logging
from collections.abc import Callable, Sequence

from chalicelib.services.gpus.demand import Demand
from chalicelib.services.gpus.queue_snapshots import QueueSnapshots
from chalicelib.services.gpus.stopper import Stopper
from chalicelib.services.jobs.overdue import OverdueJobs

log = logging.getLogger("darkroom.reconciler")


class Reconciler:
    def __init__(
        self,
        stopper: Stopper,
        overdue_jobs: OverdueJobs,
        demand: Demand,
        queue_snapshots: QueueSnapshots,
        *,
        more: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._stopper = stopper
        self._overdue_jobs = overdue_jobs
        self._demand = demand
        self._snapshots = queue_snapshots
        self._more = more

    def reconcile(self) -> None:
        """Do one round, with the steps of other services (`more`) at its end.

        If one step fails, the others are still done. Raise the last error at the end, so that the
        function's alarm fires.
        """
        failed: Exception | None = None
        # First what costs most if time runs out: a GPU that is on.
        steps: tuple[Callable[[], object], ...] = (
            self._stopper.stop_unneeded,
            self._overdue_jobs.sweep,
            self._demand.repair,
            self._demand.start,
            self._snapshots.renew,
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

"""What steers services: raised by one, caught by another, never seen by callers."""


class Signal(Exception):
    """Base of all. Should one escape, that is a defect of ours."""


class JobBusy(Signal):
    """Another driver holds the job's lease, or the job is not due yet."""


class LeaseLost(Signal):
    """This driver no longer holds the job's lease and may change nothing."""


class NoFreeSlot(Signal):
    """The job waits in the queue for a slot on a GPU."""


class OutOfBudget(NoFreeSlot):
    """The job waits in the queue until the next day, as the daily budget is used up."""


class NoProgress(Signal):
    """A run shows no progress: its ComfyUI answers and does not work.

    `attempt_id` is that run's, which may be another's than the one that waits for it.
    """

    def __init__(self, error: str, *, attempt_id: str) -> None:
        super().__init__(error)
        self.attempt_id = attempt_id


class AttemptOver(Signal):
    """The job's attempt is over; another, made for this reason, is due in `retry_seconds`."""

    def __init__(self, reason: str, *, retry_seconds: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_seconds = retry_seconds


class StoreFailed(Signal):
    """S3 did not do it; an image that it did not take is still in ComfyUI, and not made again."""


class QueueUnavailable(Signal):
    """SQS did not take a message; the reconciler finds the job later."""

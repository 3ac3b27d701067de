"""Exceptions that one service raises and another one catches; callers never see them."""


class Signal(Exception):
    """Base class. One that reaches a caller is a defect of Darkroom."""


class JobBusy(Signal):
    """Another driver holds the job's lease, or the job is not due yet."""


class LeaseLost(Signal):
    """This driver no longer holds the job's lease and must not change the job."""


class NoFreeSlot(Signal):
    """The job waits in the queue for a slot on a GPU."""


class NoProgress(Signal):
    """An execution makes no progress: its ComfyUI answers and does not work.

    `attempt_id` is that of the execution, which may be of another job than the one that waits.
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
    """S3 did not store, delete or read an object.

    An image that is not stored is fetched from ComfyUI again.
    """


class QueueUnavailable(Signal):
    """SQS did not accept a message; the reconciler finds the job later."""


class ClaimRefused(Signal):
    """A condition of the writes that a request makes beside its jobs did not hold."""


class SchedulerUnavailable(Signal):
    """EventBridge Scheduler did not carry out a call; the reconciler repeats it."""


class ScheduleRefused(Signal):
    """EventBridge Scheduler refuses a schedule, however often it is sent."""


class ScheduleChanged(Signal):
    """Another writer changed the schedule, or its change is not known to AWS yet."""


class NotMade(Signal):
    """A run makes no jobs; `status` and `code` say what becomes of it, the text says why."""

    def __init__(self, status: str, code: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code

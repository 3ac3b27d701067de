"""The words for how far a job is."""

QUEUED, STARTING, RUNNING = "queued", "starting", "running"
SUCCEEDED, FAILED, CANCELED = "succeeded", "failed", "canceled"
OPEN = (QUEUED, STARTING, RUNNING)
# Why a job waits while no GPU may be on; it needs no message, as the reconciler calls it.
BUDGET_EXHAUSTED = "budget_exhausted"

STATUSES = (*OPEN, SUCCEEDED, FAILED, CANCELED)

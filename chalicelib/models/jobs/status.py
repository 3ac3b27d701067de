"""The statuses of a job."""

QUEUED, STARTING, RUNNING = "queued", "starting", "running"
SUCCEEDED, FAILED, CANCELED = "succeeded", "failed", "canceled"
OPEN = (QUEUED, STARTING, RUNNING)

STATUSES = (*OPEN, SUCCEEDED, FAILED, CANCELED)

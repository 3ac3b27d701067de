"""The states of a schedule. A schedule that is being deleted is no longer shown."""

ENABLED, PAUSED, COMPLETED, DELETING = "enabled", "paused", "completed", "deleting"

# EventBridge Scheduler has a schedule in these states only.
IN_AWS = (ENABLED, PAUSED)

"""Planted defects of stops that are requested: world, choices, function, table, clause."""

from typing import Any

_OPEN = "status IN (?, ?, ?)"
_NO_HOLD = "(attribute_not_exists (held_until) OR (held_until <= ?))"
_SERIES = "start_series.StartSeries"

STOPS: list[tuple[Any, ...]] = [
    # An instance that has to stop gives out no slot, and is stopped without a job.
    (
        "stop-boot",
        2,
        "instance.InstanceRecord.acquire_slot",
        "fleet",
        "attribute_not_exists (stop_requested_at)",
        "stops.begin",
    ),
    (
        "stop-driver",
        2,
        "slots.begin",
        "fleet",
        "attribute_not_exists (stop_requested_at)",
        "stops.begin",
    ),
    ("stop-running", 1, "stops.begin", "fleet", "attribute_not_exists (jobs)"),
    ("start-stop", 1, "stops.begin", "fleet", "attribute_exists (stop_requested_at)"),
    (
        "start-stop",
        2,
        "stops.withdraw",
        "fleet",
        "(attribute_not_exists (draining_until) OR (draining_until <= ?))",
        "ec2 stop",
    ),
    # Nothing starts under a hold.
    ("stop-start", 1, f"{_SERIES}.claim", "fleet", _NO_HOLD),
    ("stop-start", 2, f"{_SERIES}.renew", "fleet", _NO_HOLD, "UpdateItem fleet :starts"),
    # A job that goes back has not ended, and keeps all of its attempts.
    ("stop-success", 2, "job.Job.return_to_queue", "jobs", _OPEN, "slots.succeed"),
    (
        "stop-restart",
        2,
        "job.Job.return_to_queue",
        "jobs",
        "(size (attempts) = ?)",
        "job.Job.begin_attempt",
    ),
]

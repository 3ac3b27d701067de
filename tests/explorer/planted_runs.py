"""Planted defects of schedules and runs: world, choices, function, table, clause."""

from typing import Any

_ACCEPT = "acceptance.accept"
_ADD = "count.OwnerCount.add"
_SUBTRACT = "count.OwnerCount.subtract"
_RECORD = "run.Run.record"
_SCHEDULE = "schedule.Schedule"
_UNUSED = "(attribute_not_exists (id) OR (expires_at <= ?))"
_UNRECORDED = "(attribute_not_exists (schedule_id) OR (reason_code = ?))"
_FREE = "(attribute_not_exists (changed_until) OR (changed_until <= ?))"
_FITS = "(attribute_not_exists (schedules) OR (schedules < ?))"
_UNCHANGED = "(revision = ?)"

RUNS: list[tuple[Any, ...]] = [
    ("one-key-for-two", 1, _ACCEPT, "jobs", _UNUSED),
    ("late-run-twice", 1, _ACCEPT, "runs", _UNRECORDED),
    ("make-up-refused", 1, _ACCEPT, "runs", "(status = ?)"),
    ("slow-run", 2, _ACCEPT, "schedules", "(next_run_at = ?)", "start"),
    ("two-runs", 1, _ACCEPT, "schedules", "(number = ?)"),
    ("run-now-deletion", 0, _ACCEPT, "schedules", _UNCHANGED),
    ("wrong-count", 1, _ADD, "schedules", "(added_at = ?)"),
    ("last-schedule", 0, _ADD, "schedules", _FITS),
    ("create-twice", 0, _ADD),
    ("refused-creation", 0, _SUBTRACT),
    ("late-copy", 1, _RECORD, "runs", _UNRECORDED),
    ("last-run", 1, _RECORD, "runs", "attribute_not_exists (schedule_id)"),
    ("two-watches", 0, _RECORD),
    ("two-watches", 1, f"{_SCHEDULE}.advance", "schedules", "(next_run_at = ?)"),
    ("refused-change", 1, f"{_SCHEDULE}.advance", "schedules", _UNCHANGED),
    ("two-watches", 0, f"{_SCHEDULE}.advance"),
    ("create-twice", 1, f"{_SCHEDULE}.begin", "schedules", _UNUSED),
    ("slow-writer", 0, f"{_SCHEDULE}.change", "schedules", _FREE),
    ("two-writers", 1, f"{_SCHEDULE}.change", "schedules", _UNCHANGED),
    ("clocks-deletion", 0, f"{_SCHEDULE}.forget", "schedules", "(state = ?)"),
    ("run-deletion", 0, f"{_SCHEDULE}.forget"),
    ("clocks", 0, f"{_SCHEDULE}.mark_synced", "schedules", _UNCHANGED),
    ("completed", 0, f"{_SCHEDULE}.mark_synced", "schedules", "(state = ?)"),
    ("two-writers", 0, f"{_SCHEDULE}.mark_synced"),
    ("clocks-answer", 0, f"{_SCHEDULE}.postpone", "schedules", _UNCHANGED),
    ("refused-creation", 0, f"{_SCHEDULE}.withdraw"),
]

# Clauses without which nothing that is checked goes wrong, and why.
UNNOTICED: dict[str, str] = {
    f"{_ACCEPT} without attribute_not_exists (id)": (
        "the jobs of a run have new ids, and its transaction happens once however often it is sent"
    ),
    f"{_SCHEDULE}.postpone forgotten": (
        "the reconciler looks at the schedule when the time of its writer is over"
    ),
    "comparison.Comparison.note forgotten": (
        "the schedules are then compared each minute, which changes nothing"
    ),
}

"""Planted defects of jobs, slots, leases, allowances: world, choices, function, table, clause."""

from typing import Any

_OPEN = "status IN (?, ?, ?)"
_HELD = "(lease = ?)"
_RECORD = "instance.InstanceRecord"
_TAKES = (
    "(((((attribute_not_exists (jobs) OR (size (jobs) < ?))"
    " AND (attribute_not_exists (draining_until) OR (draining_until <= ?)))"
    " AND attribute_not_exists (stop_requested_at))"
    " AND ((attribute_not_exists (budget_ends_at) OR (budget_ends_at > ?))"
    " OR (budget_ends_at < ?))) OR contains (jobs, ?))"
)

JOBS: list[tuple[Any, ...]] = [
    # A request is accepted once, and within its limits.
    ("one-job", 2, "acceptance.accept", "jobs", "attribute_not_exists (id)"),
    (
        "same-key",
        1,
        "acceptance.accept",
        "jobs",
        "(attribute_not_exists (id) OR (expires_at <= ?))",
    ),
    (
        "last-image",
        1,
        "allowance.Allowance.take",
        "jobs",
        "(attribute_not_exists (images) OR ((images <= ?) AND (pixel_steps <= ?)))",
    ),
    ("last-image", 1, "allowance.Allowance.take", "jobs", "(images <= ?)"),
    ("last-steps", 1, "allowance.Allowance.take", "jobs", "(pixel_steps <= ?)"),
    (
        "same-owner",
        1,
        "queue.VirtualTime.take",
        "jobs",
        "(attribute_not_exists (virtual_time) OR (virtual_time < ?))",
    ),
    ("two-jobs", 1, "queue.VirtualTime.take", "jobs", "(virtual_time >= ?)"),
    # An instance has one follower, which is called once.
    (
        "two-jobs",
        1,
        "followers.call",
        "fleet",
        "(attribute_not_exists (called_at) OR (called_at <= ?))",
    ),
    (
        "cold-start",
        1,
        "followers.claim",
        "fleet",
        "(((attribute_not_exists (follower) OR (follower_until <= ?))"
        " OR attribute_exists (follower_leaves)) OR (follower = ?))",
    ),
    ("late-job", 1, "followers.mark_leaving", "fleet", "(follower = ?)"),
    (
        "late-job",
        1,
        "followers.release",
        "fleet",
        "((follower = ?) OR attribute_not_exists (follower))",
    ),
    ("dead-follower", 1, "followers.renew", "fleet", "(follower = ?)"),
    # A slot is given once, not by an instance that stops, and freed once.
    (
        "two-callers",
        1,
        "slots.begin",
        "fleet",
        _TAKES,
    ),
    (
        "last-dollar",
        1,
        f"{_RECORD}.acquire_slot",
        "fleet",
        "((attribute_not_exists (budget_ends_at) OR (budget_ends_at > ?)) OR (budget_ends_at < ?))",
        "job.Job.claim_from_queue",
    ),
    (
        "drain-job",
        2,
        f"{_RECORD}.acquire_slot",
        "fleet",
        "(attribute_not_exists (draining_until) OR (draining_until <= ?))",
        "instance.InstanceRecord.drain_if_empty",
    ),
    (
        "two-callers",
        1,
        "slots.begin",
        "fleet",
        "(attribute_not_exists (jobs) OR (size (jobs) < ?))",
    ),
    (
        "inline",
        2,
        f"{_RECORD}.acquire_slot",
        "fleet",
        "(attribute_not_exists (jobs) OR (size (jobs) < ?))",
        "slots.begin",
    ),
    ("inline", 2, f"{_RECORD}.acquire_slot", "fleet", _TAKES, "slots.begin"),
    (
        "drain-caller",
        2,
        "slots.begin",
        "fleet",
        "(attribute_not_exists (draining_until) OR (draining_until <= ?))",
        "instance.InstanceRecord.drain_if_empty",
    ),
    (
        "last-dollar-caller",
        1,
        "slots.begin",
        "fleet",
        "((attribute_not_exists (budget_ends_at) OR (budget_ends_at > ?)) OR (budget_ends_at < ?))",
        "PutItem jobs 01J",
    ),
    (
        "stop-driver",
        1,
        "slots.succeed",
        "fleet",
        "contains (jobs, ?)",
        "UpdateItem fleet i-1 DELETE",
    ),
    ("slow-caller", 1, "slots.begin", "jobs", _HELD),
    ("cancel-caller", 1, "slots.begin", "jobs", _OPEN),
    ("drain-job", 1, f"{_RECORD}.drain_if_empty", "fleet", "attribute_not_exists (jobs)"),
    ("cancel-report", 1, f"{_RECORD}.release_slot", "fleet", "contains (jobs, ?)"),
    ("boot", 1, f"{_RECORD}.became_ready", "fleet", "attribute_not_exists (ready_at)"),
    ("cold-start", 1, f"{_RECORD}.become_unreachable", "fleet", "attribute_exists (ready_at)"),
    ("went-off", 1, "boots.went_off", "fleet", "(on_since = ?)"),
    ("two-reconcilers-later", 1, "usage.book", "fleet", "(accounted_at = ?)"),
    ("two-reconcilers", 1, "usage.book", "fleet", "attribute_not_exists (accounted_at)"),
    # One function at a time starts instances.
    (
        "slow-start",
        1,
        "start_series.StartSeries.claim",
        "fleet",
        "((attribute_not_exists (next_at) OR (next_at <= ?)) OR (holder = ?))",
    ),
    ("slow-start", 1, "start_series.StartSeries.renew", "fleet", "(holder = ?)"),
    ("slow-growth", 1, "start_series.StartSeries.succeed", "fleet", "(holder = ?)"),
    ("slow-scarce-start", 1, "start_series.StartSeries.put_off", "fleet", "(holder = ?)"),
    ("still-stopping", 1, "start_series.StartSeries.pause", "fleet", "(holder = ?)"),
    # A job has one driver, and ends once.
    ("slow-driver", 2, "job.Job.begin_attempt", "jobs", _HELD),
    ("restart", 1, "job.Job.begin_attempt", "jobs", "(size (attempts) = ?)"),
    ("cancel-start", 1, "job.Job.begin_attempt", "jobs", _OPEN),
    ("silent-cancel", 1, "job.Job.book", "jobs", "(gpu_seconds < ?)"),
    ("cancel-success", 1, "job.Job.cancel", "jobs", _OPEN),
    (
        "two-jobs",
        1,
        "job.Job.claim_from_queue",
        "jobs",
        "((attribute_not_exists (lease) OR (due_at <= ?)) OR (lease = ?))",
    ),
    ("two-gpus", 2, "job.Job.claim_from_queue", "jobs", "attribute_exists (queue)", "POST http"),
    ("two-rescuers", 2, "job.Job.claim", "jobs", "((due_at <= ?) OR (lease = ?))"),
    ("rescue", 1, "job.Job.claim", "jobs", _OPEN),
    ("batch-moves-twice", 1, "job.Job.move", "jobs", "((sort_key = ?) OR (sort_key = ?))"),
    ("batch-moves", 1, "job.Job.move", "jobs", "attribute_exists (queue)"),
    (
        "batch-moves",
        2,
        "job.Job.move",
        "jobs",
        "attribute_not_exists (lease)",
        "job.Job.begin_attempt",
    ),
    ("hand-over", 1, "job.Job.put_back", "jobs", _HELD),
    ("cancel-hand-over", 1, "job.Job.put_back", "jobs", _OPEN),
    ("long-run", 1, "job.Job.report", "jobs", _HELD),
    ("cancel-report", 1, "job.Job.report", "jobs", _OPEN),
    ("slow-driver", 2, "slots.succeed", "jobs", _HELD),
    ("cancel-success", 1, "slots.succeed", "jobs", _OPEN),
    ("deadline", 2, "job.Job.fail", "jobs", _HELD, "slots.succeed"),
    ("deadline-cancel", 1, "job.Job.fail", "jobs", _OPEN),
    ("silent", 1, "job.Job.become_unreachable", "jobs", _HELD),
    ("silent-cancel", 1, "job.Job.become_unreachable", "jobs", _OPEN),
    ("silent", 1, "job.Job.resume", "jobs", _HELD),
    ("silent-then-cancel", 1, "job.Job.resume", "jobs", _OPEN),
    ("expiry", 1, "job.Job.expire", "jobs", "attribute_exists (queue)"),
    (
        "expiry",
        2,
        "job.Job.expire",
        "jobs",
        "(attribute_not_exists (lease) OR (due_at <= ?))",
        "job.Job.fail",
    ),
    ("last-dollar", 1, "job.Job.expire", "jobs", "(waits_until <= ?)", f"{_RECORD}.acquire_slot"),
    ("lost-slot", 1, "job.Job.expire", "jobs", "attribute_not_exists (slot_at)", "start"),
    # What a job had is given back.
    ("cancel-report", 1, f"{_RECORD}.release_slot"),
    ("same-key", 1, "allowance.Allowance.give_back", "", "", "acceptance.accept"),
    ("silent-twice", 1, f"{_RECORD}.answered"),
    # Messages are sent, and not before somebody has to act on them.
    ("two-jobs", 1, "i-1", "", "forgotten"),
    ("dead-follower", 1, "i-1 check", "", "forgotten"),
    ("dead-follower", 1, "i-1 check", "", "early"),
    ("start", 1, "start", "", "forgotten"),
]

# Clauses without which nothing that is checked goes wrong, and why.
UNNOTICED: dict[str, str] = {
    "slots.begin without (size (attempts) = ?)": (
        "the driver that has the lease is the only one that makes a first attempt"
    ),
    "queue_snapshot.QueueSnapshot.replace without "
    "(attribute_not_exists (made_at) OR (made_at = ?))": (
        "the snapshot is for callers to read, and is made again after two seconds"
    ),
}

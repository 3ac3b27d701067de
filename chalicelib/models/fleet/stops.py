"""The stops of a GPU instance: since when it is stopping, and when it was stopped with force."""

from chalicelib.models.fleet.instance import GAP_SECONDS, InstanceRecord


def same_state_since(record: InstanceRecord, state: str, *, now: float) -> float | None:
    """Return since when an instance has been seen in a state without a gap; None if it is not."""
    is_known = record.state == state and now - record.seen_at <= GAP_SECONDS
    return float(record.since) if is_known else None


def claim_force(record: InstanceRecord, *, now: float, pause: float) -> bool:
    """Claim to stop an instance with force; return False if one did less than `pause` ago."""
    forced_at = InstanceRecord.forced_at
    is_due = forced_at.does_not_exist() | (forced_at <= now - pause)
    return record.update_if(is_due, forced_at.set(now))

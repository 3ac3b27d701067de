"""The stops of a GPU instance: those that are requested, since when it is stopping, and force."""

from chalicelib.models.fleet.instance import GAP_SECONDS, InstanceRecord


def same_state_since(record: InstanceRecord, state: str, *, now: float) -> float | None:
    """Return since when an instance has been seen in a state without a gap; None if it is not."""
    is_known = record.state == state and now - record.seen_at <= GAP_SECONDS
    return float(record.since) if is_known else None


def request(record: InstanceRecord, *, now: float) -> None:
    """Note that an instance that is on has to stop when its jobs have ended; repeat it freely.

    This lasts until its next start, or until `withdraw`.
    """
    # As it is on, that must be noted, or its next observation would count as another start.
    on_since, asked = InstanceRecord.on_since, InstanceRecord.stop_requested_at
    record.update([asked.set(asked | now), on_since.set(on_since | now)])


def begin(record: InstanceRecord, *, until: float) -> bool:
    """Claim to stop an instance as requested; False if a job has a slot, or none asks any more."""
    has_no_job = InstanceRecord.jobs.does_not_exist()
    is_requested = InstanceRecord.stop_requested_at.exists()
    return record.update_if(has_no_job & is_requested, InstanceRecord.draining_until.set(until))


def withdraw(record: InstanceRecord, *, now: float) -> bool:
    """Let an instance serve again whose stop was requested; False if it is being stopped."""
    draining_until = InstanceRecord.draining_until
    stays = draining_until.does_not_exist() | (draining_until <= now)
    return record.update_if(stays, InstanceRecord.stop_requested_at.remove())


def claim_force(record: InstanceRecord, *, now: float, pause: float) -> bool:
    """Claim to stop an instance with force; return False if one did less than `pause` ago."""
    forced_at = InstanceRecord.forced_at
    is_due = forced_at.does_not_exist() | (forced_at <= now - pause)
    return record.update_if(is_due, forced_at.set(now))

"""The lease of an instance's follower, which has it until a time or until it leaves."""

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.signals import LeaseLost

_CALL_SECONDS = 10
_LEASE = (
    InstanceRecord.follower,
    InstanceRecord.follower_until,
    InstanceRecord.follower_leaves,
)


def claim(record: InstanceRecord, lease: str, *, now: float, until: float) -> bool:
    """Take the lease; return False if another follower has it and does not leave."""
    follower = InstanceRecord.follower
    is_free = follower.does_not_exist() | (InstanceRecord.follower_until <= now)
    free = is_free | InstanceRecord.follower_leaves.exists() | (follower == lease)
    taken = (follower.set(lease), InstanceRecord.follower_until.set(until))
    gone = (InstanceRecord.follower_leaves.remove(), InstanceRecord.called_at.remove())
    return record.update_if(free, *taken, *gone)


def may_call(record: InstanceRecord, *, now: float) -> bool:
    """Return whether no follower has been called just now, by the record as it was read."""
    return record.called_at is None or record.called_at <= now - _CALL_SECONDS


def call(record: InstanceRecord, *, now: float) -> bool:
    """Claim to send the message that calls a follower; False if one was called just now.

    That message counts until a follower comes, or for ten seconds.
    """
    called_at = InstanceRecord.called_at
    is_due = called_at.does_not_exist() | (called_at <= now - _CALL_SECONDS)
    return record.update_if(is_due, called_at.set(now))


def renew(record: InstanceRecord, lease: str, *, until: float) -> None:
    """Keep the lease until a later time, also after `mark_leaving`; raise LeaseLost."""
    kept = (InstanceRecord.follower_until.set(until), InstanceRecord.follower_leaves.remove())
    if not record.update_if(InstanceRecord.follower == lease, *kept):
        raise LeaseLost(f"instance {record.id} has another follower")


def mark_leaving(record: InstanceRecord, lease: str) -> None:
    """Let another follower take the lease at any time; raise LeaseLost if one has it."""
    leaves = InstanceRecord.follower_leaves.set(lease)
    if not record.update_if(InstanceRecord.follower == lease, leaves):
        raise LeaseLost(f"instance {record.id} has another follower")


def release(record: InstanceRecord, lease: str) -> bool:
    """Give up the lease; return False if another follower has it."""
    gone = (each.remove() for each in _LEASE)
    follower = InstanceRecord.follower
    # There is none if this write was done, its response was lost, and it was repeated.
    return record.update_if((follower == lease) | follower.does_not_exist(), *gone)

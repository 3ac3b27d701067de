"""The state of a GPU instance, from EC2, its ComfyUI and its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.gateways.ec2 import Instance
    from chalicelib.models.fleet.instance import InstanceRecord

STOPPED = "stopped"
STARTING = "starting"
BOOTING = "booting"
READY = "ready"
BUSY = "busy"
DRAINING = "draining"
STOPPING = "stopping"
NO_CAPACITY = "no_capacity"
UNHEALTHY = "unhealthy"

# States of instances that serve now, or will without further action.
COMING = (STARTING, BOOTING, READY, BUSY)

# States of instances that are on.
_ON = (*COMING, DRAINING)

_FRESH_SECONDS = 15

# ComfyUI may not answer for this long while it loads a checkpoint.
_PATIENCE_SECONDS = 60

_BY_EC2 = {"pending": STARTING, "stopping": STOPPING, "shutting-down": STOPPING}


def state_of(
    instance: Instance,
    record: InstanceRecord,
    *,
    now: float,
    has_capacity: bool,
    queue_length: int = 0,
) -> str:
    """Return the state of an instance, as its record has it.

    `queue_length` is the number of prompts in its ComfyUI, if that was just asked.
    """
    if instance.state == "running":
        return _of_running(record, now, queue_length)
    if instance.state == "pending" and record.stop_requested_at is not None:
        return DRAINING
    if instance.state == "stopped" and _is_fresh(record, now):
        return STARTING  # EC2 describes the instance as pending only after some seconds
    if instance.state == "stopped" and (record.unhealthy_until or 0) > now:
        return UNHEALTHY
    if instance.state == "stopped" and not has_capacity:
        return NO_CAPACITY
    return _BY_EC2.get(instance.state, STOPPED)


def state_by_record(record: InstanceRecord, *, now: float, has_capacity: bool) -> str:
    """Return the state of an instance as far as its record tells: EC2 is asked every minute."""
    if record.ready_at is not None:
        return _of_running(record, now, 0)
    if record.on_since is not None and record.stop_requested_at is not None:
        return DRAINING
    if record.on_since is not None and record.unhealthy_reason:
        return UNHEALTHY
    if record.on_since is not None:
        return STARTING if now - record.on_since < _FRESH_SECONDS else BOOTING
    if record.state == STOPPED and not has_capacity:
        return NO_CAPACITY
    # A state of when it was on is of before it was stopped.
    return STOPPING if record.state in _ON else str(record.state) or STOPPED


def went_off(instance: Instance, record: InstanceRecord, *, now: float) -> bool:
    """Return whether an instance is off that was started, or ready, and is not noted as off."""
    is_noted = record.on_since is None and record.ready_at is None
    return instance.state == "stopped" and not is_noted and not _is_fresh(record, now)


def _is_fresh(record: InstanceRecord, now: float) -> bool:
    """Return whether EC2 may still describe a started instance as stopped."""
    return now - (record.on_since or 0) < _FRESH_SECONDS and not record.ready_at


def is_lost(record: InstanceRecord, now: float) -> bool:
    """Return whether a ComfyUI that was ready has not answered for a minute."""
    since = record.unreachable_since
    return since is not None and now - float(since) >= _PATIENCE_SECONDS


def _of_running(record: InstanceRecord, now: float, queue_length: int) -> str:
    # A fault from before the instance was last off does not count.
    if record.unhealthy_reason and record.on_since:
        return UNHEALTHY
    if record.ready_at is None:
        return BOOTING if record.stop_requested_at is None else DRAINING
    if record.unhealthy_attempt or is_lost(record, now):
        return UNHEALTHY
    if record.is_draining(now):
        return DRAINING
    is_busy = queue_length or record.slot_holders or record.unreachable_since is not None
    return BUSY if is_busy else READY

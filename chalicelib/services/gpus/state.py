"""The state of a GPU instance, from EC2, its ComfyUI and its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.gateways.ec2 import Instance
    from chalicelib.models.fleet.instance import InstanceRecord
    from chalicelib.services.gpus.inventory import Server

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

_FRESH_SECONDS = 15

# ComfyUI may not answer for this long while it loads a checkpoint.
_PATIENCE_SECONDS = 60

_BY_EC2 = {"pending": STARTING, "stopping": STOPPING, "shutting-down": STOPPING}


def state_of(
    instance: Instance,
    record: InstanceRecord,
    server: Server | None,
    *,
    now: float,
    has_capacity: bool,
) -> str:
    """Return the state of an instance; `server` is None if its ComfyUI does not answer."""
    if instance.state == "running":
        return _of_running(record, server, now)
    is_fresh = now - (record.on_since or 0) < _FRESH_SECONDS and not record.ready_at
    if instance.state == "stopped" and is_fresh:
        return STARTING  # EC2 describes the instance as pending only after some seconds
    if instance.state == "stopped" and (record.unhealthy_until or 0) > now:
        return UNHEALTHY
    if instance.state == "stopped" and not has_capacity:
        return NO_CAPACITY
    return _BY_EC2.get(instance.state, STOPPED)


def _of_running(record: InstanceRecord, server: Server | None, now: float) -> str:
    # A fault from before the instance was last off does not count.
    is_unhealthy = bool(record.unhealthy_reason and record.on_since)
    if server is None:
        is_lost = now - float(record.unreachable_since or now) >= _PATIENCE_SECONDS
        if is_unhealthy or (record.ready_at and is_lost):
            return UNHEALTHY
        return BUSY if record.ready_at else BOOTING
    if server.is_unhealthy or (is_unhealthy and not server.is_ready):
        return UNHEALTHY
    if server.is_draining:
        return DRAINING
    if not server.is_ready:
        return BOOTING
    return BUSY if server.queue_length or record.slot_holders else READY

"""What is noted about an instance that is off: its boot has failed, or EC2 took its start back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.models.fleet import boots
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries

if TYPE_CHECKING:
    from chalicelib.gateways.ec2 import Instance


def note_off(instance: Instance, record: InstanceRecord, *, now: float) -> None:
    """Note that an instance is off, and why; harmless if that is noted.

    EC2 may accept a start and stop the instance again seconds later. If it lacked capacity, that
    counts as a refusal of the start.
    """
    if instance.lack and boots.is_booting(record):
        _take_back(instance, record, instance.lack, now)
        return
    why = f"EC2 stopped the GPU instance again ({instance.fault})" if instance.fault else None
    boots.went_off(record, now=now, why=why, launched_at=instance.launched_at)


def _take_back(instance: Instance, record: InstanceRecord, lack: str, now: float) -> None:
    if not boots.taken_back(record, instance.type, now=now):
        # Another function has noted it. `refresh` needs a right that functions lack on this table.
        record.attribute_values = InstanceRecord.read(record.id).attribute_values
        return
    metrics.emit("no capacity", {"CapacityErrors": 1}, instance_id=instance.id)
    StartSeries.read(now=now).take_back(waiting_for_capacity(lack), now=now)


def waiting_for_capacity(lack: str) -> str:
    """Return what callers read while EC2 lacks capacity or quota."""
    return f"waiting for GPU capacity: {lack}"

"""Instances that hang in `stopping`: EC2 neither stops nor starts them, unless it is forced."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.models.fleet import stops
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.services.gpus.state import STOPPING

if TYPE_CHECKING:
    from chalicelib.gateways.ec2 import GpuFleet, Instance, StaticFleet
    from chalicelib.services.gpus.inventory import Inventory

log = logging.getLogger("darkroom.stuck")

_STUCK_SECONDS = 300  # a stop takes up to two minutes
_AGAIN_SECONDS = 170  # every third round of the reconciler, which may be some seconds early


class StuckInstances:
    """Stops the instances that hang with force."""

    def __init__(
        self, inventory: Inventory, gateway: GpuFleet | StaticFleet, clock: Callable[[], float]
    ) -> None:
        self._inventory = inventory
        self._gateway = gateway
        self._clock = clock

    def force(self) -> None:
        """Stop each instance that hangs, every third minute, with a metric."""
        for instance in self._inventory.members():
            if not _is_stopping(instance):
                continue
            record, now = InstanceRecord.read(instance.id), self._clock()
            since = _stuck_since(record, now)
            if since is not None and stops.claim_force(record, now=now, pause=_AGAIN_SECONDS):
                self._force(instance, since, now)

    def _force(self, instance: Instance, since: float, now: float) -> None:
        about = {"instance_id": instance.id, "stopping_for": round(now - since)}
        metrics.emit("a GPU instance hangs in stopping", {"StuckInstances": 1}, **about)
        log.warning("%s", _text(since), extra=about)
        self._gateway.stop(instance.id, force=True)


def stuck_text(records: Sequence[InstanceRecord], now: float) -> str | None:
    """Return a sentence about the instances that hang; None if none does."""
    known = [_stuck_since(each, now) for each in records]
    since = [each for each in known if each is not None]
    return _text(min(since)) if since else None


def _text(since: float) -> str:
    at = datetime.fromtimestamp(since, UTC).strftime("%H:%M UTC")
    return f"the GPU instance hangs in stopping since {at}; it is stopped with force"


def _stuck_since(record: InstanceRecord, now: float) -> float | None:
    since = stops.same_state_since(record, STOPPING, now=now)
    return since if since is not None and now - since >= _STUCK_SECONDS else None


def _is_stopping(instance: Instance) -> bool:
    """Return whether an instance is stopping that Darkroom may stop."""
    is_ours = instance.can_be_started and not instance.is_kept
    return is_ours and instance.state == "stopping"

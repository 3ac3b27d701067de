"""One round of starting GPU instances: as every type in turn, while the claim to start holds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.errors import NoCapacity, StartFailed, StartUnknown, Throttled, TypeRefused
from chalicelib.models.fleet import boots
from chalicelib.services.gpus.boot_reports import log_failed_boot
from chalicelib.services.gpus.off import note_off

if TYPE_CHECKING:
    from chalicelib.gateways.ec2 import GpuFleet, StaticFleet
    from chalicelib.models.fleet.start_series import StartSeries
    from chalicelib.services.gpus.inventory import InstanceView

log = logging.getLogger("darkroom.starter")

# If the function that starts instances dies, another one may start them after this time.
CLAIM_SECONDS = 30
_CALL_SECONDS = 10  # EC2 answers, or the client gives up, within this time
_ROUND_SECONDS = 15  # of asking EC2, within the lease of the job that needs an instance


class ClaimLost(Exception):
    """Another function has the right to start instances now, or an administrator forbids it."""


class StartRound:
    """The tries of one function; `series` has its claim."""

    def __init__(
        self,
        gateway: GpuFleet | StaticFleet,
        types: Sequence[str],
        series: StartSeries,
        clock: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._types = types
        self._series = series
        self._clock = clock
        self._started = 0
        self._over: set[str] = set()  # instances that are not asked for again
        self._current: dict[str, str] = {}  # types that this round has changed, by instance
        self._refusal: StartFailed | None = None

    def start(self, candidates: list[InstanceView], count: int) -> int:
        """Start up to `count` instances, as the preferred type first; return how many start.

        Raise StartFailed if EC2 refuses all, and ClaimLost if another function starts instances or
        an administrator has stopped the GPUs.
        """
        if candidates and count:
            self._hold_claim()  # the candidates may be on by now
        for view in candidates if count else ():
            note_off(view.instance, view.record, now=self._clock())
            log_failed_boot(view.record)  # its next start hides this one from the reconciler
        tries = self._tries(candidates if count else [])
        until = self._clock() + _ROUND_SECONDS
        for view, wanted_type in tries:
            if self._started >= count or self._clock() > until:
                break
            if view.instance.id not in self._over and not self._try(view, wanted_type):
                break
        if self._refusal and not self._started:
            raise self._refusal
        return self._started

    def _tries(self, candidates: list[InstanceView]) -> list[tuple[InstanceView, str]]:
        """Return each instance with each type, without those that EC2 has just lacked."""
        every = [
            (view, wanted_type or view.instance.type)
            for wanted_type in self._types or (None,)
            for view in candidates
        ]
        now = self._clock()
        scarce = {view.instance.id: boots.scarce_until(view.record, now=now) for view in candidates}
        tries = [each for each in every if each[1] not in scarce[each[0].instance.id]]
        if every and not tries:
            lacks = {view.instance.lack for view in candidates} - {None}
            text = "; ".join(sorted(map(str, lacks))) or "EC2 has no capacity right now"
            ends = [scarce[view.instance.id][wanted_type] for view, wanted_type in every]
            raise NoCapacity(text, until=min(ends))
        return tries

    def _try(self, view: InstanceView, wanted_type: str) -> bool:
        """Try to start an instance; return whether the round goes on."""
        try:
            self._started += self._start(view, wanted_type)
        except StartUnknown as unknown:
            log.warning("%s", unknown, extra={"instance_id": view.instance.id})
            self._started += 1  # the next observation shows whether it has started
            return False
        except ClaimLost:
            if not self._started:
                raise
            return False
        except StartFailed as refusal:
            self._note(refusal, view)
            return not isinstance(refusal, Throttled)
        self._over.add(view.instance.id)  # it starts, or is still stopping
        return True

    def _note(self, refusal: StartFailed, view: InstanceView) -> None:
        name = view.instance.id
        if not isinstance(refusal, NoCapacity | TypeRefused):
            self._over.add(name)  # another type would be refused as well
        log.warning("a GPU instance was not started: %s", refusal, extra={"instance_id": name})
        # A lack of capacity passes; any other refusal has to be fixed and is reported.
        if self._refusal is None or isinstance(self._refusal, NoCapacity):
            self._refusal = refusal

    def _start(self, view: InstanceView, wanted_type: str) -> bool:
        """Start an instance as a type; return False while it is still stopping."""
        record = view.record
        if (record.unhealthy_until or 0) > self._clock():
            raise StartFailed(f"the GPU instance is unhealthy: {record.unhealthy_reason}")
        return self._change_type(view, wanted_type) and self._ask(view, wanted_type)

    def _change_type(self, view: InstanceView, wanted_type: str) -> bool:
        name = view.instance.id
        if wanted_type == self._current.get(name, view.instance.type):
            return True
        self._hold_claim()
        if not self._gateway.change_type(name, wanted_type):
            return False
        self._current[name] = wanted_type
        return True

    def _ask(self, view: InstanceView, instance_type: str) -> bool:
        name, record = view.instance.id, view.record
        self._hold_claim()
        try:
            if not self._gateway.start(name):
                return False
        except NoCapacity:
            metrics.emit("no capacity", {"CapacityErrors": 1}, instance_id=name)
            raise
        except StartUnknown:
            record.started(now=self._clock(), instance_type=instance_type)
            raise
        metrics.emit("GPU started", {"GpuStarts": 1}, instance_id=name)
        record.started(now=self._clock(), instance_type=instance_type)
        return True

    def _hold_claim(self) -> None:
        """Extend the claim, so that it covers the next request to EC2; raise ClaimLost without it.

        The look at the instances may have taken longer than the claim lasted.
        """
        now = self._clock()
        until = now + CLAIM_SECONDS
        is_ours = self._series.renew(now=now, until=until)
        if not is_ours or self._clock() > until - _CALL_SECONDS:
            raise ClaimLost

"""Start GPU instances: one process at a time, with whatever capacity EC2 has."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.errors import GpuNotReady, NoCapacity, StartFailed, StartUnknown, TypeRefused
from chalicelib.models.fleet import boots
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.services.gpus.boot_reports import log_failed_boot

if TYPE_CHECKING:
    from chalicelib.gateways.ec2 import GpuFleet, StaticFleet
    from chalicelib.models.fleet.instance import InstanceRecord
    from chalicelib.services.gpus.inventory import InstanceView

log = logging.getLogger("darkroom.starter")

_TRY_SECONDS = (
    30  # if the function that starts instances dies, another one may start them after this time
)
_ROUND_SECONDS = 15  # of asking EC2, within the lease of the job that needs an instance
_SETTLE_SECONDS = 10  # until EC2 describes a started instance as started
_STOPPING_SECONDS = 2
_LOOK_SECONDS = 2

# The pause between two rounds that found no capacity: doubled each time, with jitter, as other
# fleets wait for the same capacity.
_FIRST_SECONDS = 20
_LONGEST_SECONDS = 300


class Starter:
    """Starts instances as the first of `types` that EC2 has.

    `chance` returns numbers from 0 to 1, for the jitter of retries.
    """

    def __init__(
        self,
        gateway: GpuFleet | StaticFleet,
        types: Sequence[str],
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._types = types
        self._clock = clock
        self._chance = chance

    def start(self, plan: Callable[[], tuple[list[InstanceView], int]]) -> int:
        """Start instances and return how many.

        `plan` is called once no other process can start any. It returns the instances that may be
        started, the best first, and how many of them should be. Raise GpuNotReady while another
        process starts some or a retry is not due, and StartFailed if EC2 refuses all.
        """
        now = self._clock()
        series = StartSeries.read(now=now)
        if not series.claim(now=now, until=now + _TRY_SECONDS):
            raise _waiting(series, now)
        candidates, count = plan()
        try:
            started = self._round(candidates, count)
        except StartFailed as refusal:
            until = self._clock() + self._pause(int(series.failed))
            series.put_off(_reason(refusal), until=until)
            raise
        if started:
            series.succeed(until=self._clock() + _SETTLE_SECONDS)
        else:
            series.pause(until=self._clock() + _STOPPING_SECONDS)
        return started

    def _round(self, candidates: list[InstanceView], count: int) -> int:
        """Try every instance as every type, the preferred type first; return the starts."""
        over: set[str] = set()
        types = {view.instance.id: view.instance.type for view in candidates}
        started, refusal = 0, None
        until = self._clock() + _ROUND_SECONDS
        for view, wanted_type in self._tries(candidates):
            if started == count or self._clock() > until:
                break
            if view.instance.id in over:
                continue
            try:
                started += self._start(view, wanted_type, types)
                over.add(view.instance.id)  # it starts, or is still stopping
            except StartUnknown:
                return started + 1  # the next observation shows whether it has started
            except StartFailed as error:
                if not isinstance(error, NoCapacity | TypeRefused):
                    over.add(view.instance.id)  # another type would be refused as well
                log.warning(
                    "a GPU instance was not started: %s",
                    error,
                    extra={"instance_id": view.instance.id},
                )
                # A lack of capacity passes; any other refusal has to be fixed and is reported.
                refusal = error if isinstance(refusal, NoCapacity | None) else refusal
        if refusal and not started:
            raise refusal
        return started

    def _tries(self, candidates: list[InstanceView]) -> Iterator[tuple[InstanceView, str | None]]:
        for instance_type in self._types or (None,):
            yield from ((view, instance_type) for view in candidates)

    def _start(self, view: InstanceView, wanted_type: str | None, types: dict[str, str]) -> bool:
        """Start an instance as a type; return False while it is still stopping."""
        name, record = view.instance.id, view.record
        boots.went_off(record, now=self._clock())
        log_failed_boot(record)  # its next start hides this one from the reconciler
        if (record.unhealthy_until or 0) > self._clock():
            raise StartFailed(f"the GPU instance is unhealthy: {record.unhealthy_reason}")
        if wanted_type and wanted_type != types[name]:
            if not self._gateway.change_type(name, wanted_type):
                return False
            types[name] = wanted_type
        return self._ask(name, record)

    def _ask(self, name: str, record: InstanceRecord) -> bool:
        try:
            if not self._gateway.start(name):
                return False
        except NoCapacity:
            metrics.emit("no capacity", {"CapacityErrors": 1}, instance_id=name)
            raise
        except StartUnknown:
            record.started(now=self._clock())
            raise
        metrics.emit("GPU started", {"GpuStarts": 1}, instance_id=name)
        record.started(now=self._clock())
        return True

    def _pause(self, failed: int) -> float:
        seconds = min(_FIRST_SECONDS * 2 ** min(failed, 10), _LONGEST_SECONDS)
        return float(seconds * (0.5 + self._chance() / 2))


def refusal_of(series: StartSeries) -> str | None:
    """Return why EC2 started no instance and when that is retried; None if it did not refuse."""
    if not series.failed:
        return None
    next_at = datetime.fromtimestamp(float(series.next_at), UTC).strftime("%H:%M:%S UTC")
    times = "once" if series.failed == 1 else f"{int(series.failed)} times"
    return f"{series.why}; tried {times}, next at {next_at}"


def _waiting(series: StartSeries, now: float) -> GpuNotReady:
    reason = refusal_of(series)
    seconds = max(int(series.next_at - now) + 1, _LOOK_SECONDS) if reason else _LOOK_SECONDS
    return GpuNotReady(reason or "the GPU instance is starting", retry_seconds=seconds)


def _reason(refusal: StartFailed) -> str:
    what = "waiting for GPU capacity" if isinstance(refusal, NoCapacity) else "waiting"
    return f"{what}: {refusal}"

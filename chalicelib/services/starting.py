"""Starting GPU instances: once for each need, with whatever capacity EC2 has."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.errors import GpuNotReady, NoCapacity, StartFailed
from chalicelib.models.instance import InstanceRecord
from chalicelib.models.start_series import StartSeries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chalicelib.gateways.gpu_fleet import GpuFleet, Instance, StaticFleet

log = logging.getLogger("darkroom.starting")

_TRY_SECONDS = 30  # should its function die, the next try begins so much later
_ROUND_SECONDS = 15  # of asking EC2, within the lease of the job that needs it
_SETTLE_SECONDS = 10  # until EC2 describes as started what it started
_STOPPING_SECONDS = 2
_LOOK_SECONDS = 2

# Between two rounds that found no capacity: doubled each time, and spread by chance, as the
# fleets of others wait for the same.
_FIRST_SECONDS = 20
_LONGEST_SECONDS = 300


class Starter:
    """Starts instances, as one of `types` where the first ones are not to be had.

    `chance` gives numbers from 0 to 1.
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

    def start(self, stopped: list[Instance], count: int) -> None:
        """Have up to `count` of them started; raise GpuNotReady that says how it goes if none.

        Many may ask at a time: one does it. Raise StartFailed when EC2 refuses all.
        """
        series, now = StartSeries.read(), self._clock()
        if not series.claim(now=now, until=now + _TRY_SECONDS):
            raise _waiting(series, now)
        try:
            started = self._round(stopped, count)
        except StartFailed as refusal:
            until = self._clock() + self._pause(int(series.failed))
            series.put_off(_reason(refusal), until=until)
            raise
        until = self._clock() + (_SETTLE_SECONDS if started else _STOPPING_SECONDS)
        series.succeed(until=until)

    def _round(self, stopped: list[Instance], count: int) -> int:
        """Ask for every instance as every type, the preferred one first; count the starts."""
        started: set[str] = set()
        types = {instance.id: instance.type for instance in stopped}
        refusal: StartFailed | None = None
        until = self._clock() + _ROUND_SECONDS
        for instance, instance_type in self._candidates(stopped):
            if len(started) == count or self._clock() > until:
                break
            if instance.id in started:
                continue
            other = instance_type if instance_type != types[instance.id] else None
            types[instance.id] = other or types[instance.id]
            try:
                if self._start(instance, other):
                    started.add(instance.id)
            except StartFailed as error:
                log.warning("not started: %s", error, extra={"instance_id": instance.id})
                if isinstance(error, NoCapacity):
                    metrics.tell("no capacity", {"CapacityErrors": 1}, instance_id=instance.id)
                # What people can change is told rather than what passes.
                refusal = error if isinstance(refusal, NoCapacity | None) else refusal
        if refusal and not started:
            raise refusal
        return len(started)

    def _candidates(self, stopped: list[Instance]) -> Iterator[tuple[Instance, str | None]]:
        for instance_type in self._types or (None,):
            yield from ((instance, instance_type) for instance in stopped)

    def _start(self, instance: Instance, other_type: str | None) -> bool:
        starts = self._gateway.start(instance.id, instance_type=other_type)
        if starts:
            metrics.tell("GPU started", {"GpuStarts": 1}, instance_id=instance.id)
            InstanceRecord(instance.id).started(now=self._clock())
        return starts

    def _pause(self, failed: int) -> float:
        seconds = min(_FIRST_SECONDS * 2 ** min(failed, 10), _LONGEST_SECONDS)
        return float(seconds * (0.5 + self._chance() / 2))


def refusal_of(series: StartSeries) -> str | None:
    """Say what EC2 refuses and when it is asked again, if it does."""
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

"""Start GPU instances: one process at a time, with whatever capacity EC2 has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chalicelib.errors import GpuHeld, GpuNotReady, NoCapacity, StartFailed
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.schemas.times import moment
from chalicelib.services.gpus.off import waiting_for_capacity
from chalicelib.services.gpus.start_round import CLAIM_SECONDS, ClaimLost, StartRound

if TYPE_CHECKING:
    from chalicelib.gateways.ec2 import GpuFleet, StaticFleet
    from chalicelib.services.gpus.inventory import InstanceView

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
        process starts some or a retry is not due, GpuHeld while an administrator has stopped the
        GPUs, and StartFailed if EC2 refuses all.
        """
        now = self._clock()
        series = StartSeries.read(now=now)
        if not series.claim(now=now, until=now + CLAIM_SECONDS):
            raise _waiting(StartSeries.read(now=now), now)
        candidates, count = plan()
        started = self._start(series, candidates, count)
        if started:
            series.succeed(until=self._clock() + _SETTLE_SECONDS)
        else:
            series.pause(until=self._clock() + _STOPPING_SECONDS)
        return started

    def _start(self, series: StartSeries, candidates: list[InstanceView], count: int) -> int:
        one = StartRound(self._gateway, self._types, series, self._clock)
        try:
            return one.start(candidates, count)
        except ClaimLost:
            now = self._clock()
            raise _waiting(StartSeries.read(now=now), now) from None
        except StartFailed as refusal:
            known = refusal.until if isinstance(refusal, NoCapacity) else None
            until = known or self._clock() + self._pause(int(series.failed))
            series.put_off(_reason(refusal), until=until)
            raise

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


def hold_of(series: StartSeries, *, now: float) -> str | None:
    """Return who has stopped the GPUs and until when; None if nobody has."""
    if not series.is_held(now):
        return None
    until = moment(float(series.held_until), now=now)
    return f"the GPU is stopped by an administrator until {until}"


def check_hold(series: StartSeries, *, now: float) -> None:
    """Raise GpuHeld if an administrator has stopped the GPUs."""
    if held := hold_of(series, now=now):
        raise GpuHeld(held, retry_seconds=int(series.held_until - now) + 1)


def _waiting(series: StartSeries, now: float) -> GpuNotReady:
    check_hold(series, now=now)
    reason = refusal_of(series)
    seconds = max(int(series.next_at - now) + 1, _LOOK_SECONDS) if reason else _LOOK_SECONDS
    return GpuNotReady(reason or "the GPU instance is starting", retry_seconds=seconds)


def _reason(refusal: StartFailed) -> str:
    text = str(refusal)
    return waiting_for_capacity(text) if isinstance(refusal, NoCapacity) else f"waiting: {text}"

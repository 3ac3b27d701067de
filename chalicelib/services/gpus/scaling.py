"""How many GPUs should be on, and which idle one may stop: pure decisions, for the reconciler, the
drivers, and the simulator in bench/."""

from __future__ import annotations

from math import ceil

from msgspec import Struct

# Of an image, until the fleet has made one.
_USUAL_RUN_SECONDS = 10.0


class Limits(Struct, frozen=True):
    """What the deployment allows: the most instances, and the seconds that it waits for each."""

    fleet_max: int
    scale_wait_seconds: int


def wanted(open_jobs: int, execution_seconds: float | None, limits: Limits) -> int:
    """Say how many instances the open jobs deserve, by the recent seconds of a run.

    As many as end them within `scale_wait_seconds`, which should be longer than a boot: a GPU
    that comes when the others are done is paid for nothing. One for any job, `fleet_max` at most.
    """
    if open_jobs <= 0:
        return 0
    seconds = open_jobs * (execution_seconds or _USUAL_RUN_SECONDS)
    return min(max(ceil(seconds / limits.scale_wait_seconds), 1), limits.fleet_max)


def may_stop(idle_seconds: float, *, on: int, open_jobs: int, limit_seconds: float) -> bool:
    """Say whether an idle instance, one of those `on`, has no more use.

    While jobs are open the last one stays: what keeps a job off it for so long is something else.
    """
    return idle_seconds >= limit_seconds and on > (1 if open_jobs else 0)

"""How many GPUs should be on, and whether an idle one may stop. Pure; bench/ simulates with it."""

from __future__ import annotations

from math import ceil

from msgspec import Struct

# Per image, until the fleet has made one.
_USUAL_RUN_SECONDS = 10.0


class Limits(Struct, frozen=True):
    """The most instances, and the seconds within which they should finish the open jobs."""

    fleet_max: int
    scale_wait_seconds: int


def wanted(open_jobs: int, execution_seconds: float | None, limits: Limits) -> int:
    """Return how many instances the open jobs need, by the recent seconds of an execution.

    As many as finish the jobs within `scale_wait_seconds`, at most `fleet_max`; none without jobs.
    `scale_wait_seconds` should be longer than a boot: a GPU that is ready when the others have
    finished costs money for nothing.
    """
    if open_jobs <= 0:
        return 0
    seconds = open_jobs * (execution_seconds or _USUAL_RUN_SECONDS)
    return min(max(ceil(seconds / limits.scale_wait_seconds), 1), limits.fleet_max)


def is_needed(*, on: int, open_jobs: int) -> bool:
    """Return whether an idle instance stays on however long it is idle, where `on` are on.

    While jobs are open the last instance stays on: they will need it.
    """
    return on <= (1 if open_jobs else 0)
